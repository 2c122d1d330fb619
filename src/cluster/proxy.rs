//! Which proxy the environment asks for, by the rules of kubectl (Go's `net/http`): loopback addresses never go
//! through a proxy, and `NO_PROXY` is about the server. A `proxy-url` in the kubeconfig is `connect`'s and wins.

use http::Uri;
use std::net::{IpAddr, Ipv6Addr};

/// The proxy for a server as the environment has it, with a scheme; `None` to go straight.
pub(super) fn from_environment(server: &Uri, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let read = |name: &str| {
        let value = variable(name).or_else(|| variable(&name.to_lowercase()))?;
        Some(value.trim().to_owned()).filter(|v| !v.is_empty())
    };
    let secure = server.scheme_str() != Some("http");
    let proxy = read(if secure { "HTTPS_PROXY" } else { "HTTP_PROXY" })?;
    let host = server.host()?.trim_start_matches('[').trim_end_matches(']').to_lowercase();
    let port = server.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
        return None;
    }
    let straight = read("NO_PROXY").is_some_and(|list| list.split(',').any(|rule| matches(rule, &host, port, address)));
    if straight {
        return None;
    }
    Some(if proxy.contains("://") { proxy } else { format!("http://{proxy}") })
}

/// One rule of `NO_PROXY`: `*`, an address, a CIDR, a domain (with its subdomains), `.domain` (subdomains only),
/// each perhaps with a port.
fn matches(rule: &str, host: &str, port: u16, address: Option<IpAddr>) -> bool {
    let rule = rule.trim().to_lowercase();
    if rule.is_empty() {
        return false;
    }
    if rule == "*" {
        return true;
    }
    if let Some((network, bits)) = rule.split_once('/') {
        let network: Result<IpAddr, _> = network.parse();
        let bits: Result<u32, _> = bits.parse();
        return matches!((network, bits, address), (Ok(n), Ok(b), Some(a)) if contains(n, b, a));
    }
    if let Ok(single) = rule.parse::<IpAddr>() {
        return address == Some(single);
    }
    let rule = match rule.rsplit_once(':').map(|(name, p)| (name, p.parse::<u16>())) {
        Some((name, Ok(only))) if only == port => name.to_owned(),
        Some((_, Ok(_))) => return false,
        _ => rule,
    };
    let rule = rule.trim_start_matches('[').trim_end_matches(']').trim_start_matches('*');
    match rule.strip_prefix('.') {
        Some(_) => host.ends_with(rule),
        None => host == rule || host.strip_suffix(rule).is_some_and(|rest| rest.ends_with('.')),
    }
}

fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    // Both as 128 bits: an IPv4 address is the last 32 of them.
    let wide = |a: IpAddr| match a {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let width = if network.is_ipv4() { u32::BITS } else { Ipv6Addr::BITS };
    if network.is_ipv4() != address.is_ipv4() || bits > width {
        return false;
    }
    let shift = width - bits;
    wide(network).checked_shr(shift).unwrap_or(0) == wide(address).checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(server: &str, no_proxy: &str) -> Option<String> {
        from_environment(&server.parse().unwrap(), |name| match name {
            "HTTPS_PROXY" => Some("proxy:3128".into()),
            "no_proxy" => Some(no_proxy.into()),
            _ => None,
        })
    }

    #[test]
    fn a_proxy_applies_to_what_no_proxy_does_not_name() {
        assert_eq!(proxy("https://api.example.com:6443", "").as_deref(), Some("http://proxy:3128"));
        assert_eq!(proxy("https://api.example.com:6443", "example.com"), None);
        assert_eq!(proxy("https://api.example.com:6443", "other.com, .example.com"), None);
        assert_eq!(proxy("https://api.example.com:6443", "api.example.com:6443"), None);
        assert!(proxy("https://api.example.com:6443", "api.example.com:443").is_some());
        assert!(proxy("https://badexample.com", "example.com").is_some());
        assert!(proxy("https://example.com", ".example.com").is_some());
        assert_eq!(proxy("https://x", "*"), None);
    }

    #[test]
    fn addresses_and_networks() {
        assert_eq!(proxy("https://10.1.2.3:6443", "10.0.0.0/8"), None);
        assert!(proxy("https://11.1.2.3:6443", "10.0.0.0/8").is_some());
        assert_eq!(proxy("https://[fd00::1]:6443", "fd00::/8"), None);
        assert_eq!(proxy("https://10.1.2.3:6443", "0.0.0.0/0"), None);
        assert_eq!(proxy("https://10.1.2.3", "10.1.2.3"), None);
    }

    #[test]
    fn loopback_never_goes_through_a_proxy() {
        assert_eq!(proxy("https://127.0.0.1:6443", ""), None);
        assert_eq!(proxy("https://localhost:6443", ""), None);
        assert_eq!(proxy("https://[::1]:6443", ""), None);
    }

    #[test]
    fn a_plain_server_has_its_own_variable() {
        assert_eq!(proxy("http://api.example.com", ""), None);
    }
}
