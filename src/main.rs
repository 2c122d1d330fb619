//! The process: its exit code is the command line's, and nothing else happens here.

fn main() -> std::process::ExitCode {
    kubectl_vnf::cli::run().into()
}
