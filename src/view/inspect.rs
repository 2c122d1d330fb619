//! What is in a package: its identity, flavours with their VDUs, objects, and who uses which configuration.

use super::Screen;
use super::page::Page;
use super::style::{Text, bold, dim, green, join, plain, yellow};
use super::words::kinds;
use crate::object::ObjectRef;
use crate::record::PackageId;

/// Column in which facts begin.
const FACTS: usize = 14;

/// Everything that `package inspect` says about a package.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSheet {
    /// Its identity.
    pub id: PackageId,
    /// File digests that were verified, of how many.
    pub digests: (usize, usize),
    /// Whether it is signed, and by whom.
    pub signature: SignatureLine,
    /// Deployment flavours.
    pub flavours: Vec<FlavourSheet>,
    /// Kubernetes objects in the order of the files.
    pub objects: Vec<ObjectRef>,
    /// ConfigMaps and Secrets, and the VDUs (or workloads without one) that use them.
    pub config: Vec<(ObjectRef, Vec<String>)>,
    /// Scripts that the VNFD names: name and the LCM event that it is for. None is ever run.
    pub scripts: Vec<ScriptLine>,
}

/// What is known of a package's signature.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureLine {
    /// `not signed`, `signed by CN=x, not verified against a CA`, ...
    pub text: String,
    /// Whether it is good, and its certificate leads to a CA that the user named.
    pub verified: bool,
}

/// One deployment flavour.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FlavourSheet {
    /// Its id.
    pub id: String,
    /// Its description.
    pub description: String,
    /// Instantiation levels; the first is the default unless [`FlavourSheet::default_level`] says otherwise.
    pub levels: Vec<String>,
    /// The default level.
    pub default_level: Option<String>,
    /// VDUs.
    pub vdus: Vec<VduLine>,
}

/// One VDU.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VduLine {
    /// Its id.
    pub id: String,
    /// Its workload; `None`: the package has none of that name.
    pub workload: Option<ObjectRef>,
    /// Images of the workload's containers.
    pub images: Vec<String>,
    /// Instances at each level, in the order of the levels.
    pub instances: Vec<Option<u32>>,
    /// Fewest and most instances.
    pub bounds: (u32, u32),
    /// The scaling aspect that it belongs to, and how many steps that has.
    pub aspect: Option<(String, u32)>,
}

/// One script of the package.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScriptLine {
    /// Its name.
    pub name: String,
    /// The LCM event that it is for.
    pub event: String,
    /// Whether the file is in the package.
    pub present: bool,
}

/// What is in a package.
pub fn package(sheet: &PackageSheet, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let version = format!("descriptor version {}", sheet.id.vnfd_version);
    page.list(0, Text::empty(), [bold(&sheet.id.title()), dim(&version)], "   ");
    fact(&mut page, "vnfdId", [plain(&sheet.id.vnfd_id)], " ");
    let (checked, all) = sheet.digests;
    let digests = match (checked, all) {
        (_, 0) => yellow("no file digests"),
        _ if checked == all => green(&format!("{checked} of {all} file digests match")),
        _ => yellow(&format!("{checked} of {all} file digests match")),
    };
    let signature = if sheet.signature.verified { green(&sheet.signature.text) } else { plain(&sheet.signature.text) };
    fact(&mut page, "Digest", [plain(&format!("sha256:{}", sheet.id.short_digest())), digests, signature], "   ");
    for flavour in &sheet.flavours {
        levels(&mut page, flavour);
        page.blank();
        vdus(&mut page, flavour);
        page.blank();
    }
    fact(&mut page, "Objects", kinds(&sheet.objects).iter().map(|kind| plain(kind)), ", ");
    config(&mut page, &sheet.config);
    scripts(&mut page, &sheet.scripts);
    page.finish()
}

fn fact(page: &mut Page<'_>, label: &str, parts: impl IntoIterator<Item = Text>, separator: &str) {
    page.list(2, bold(label).pad(FACTS - 2), parts, separator);
}

fn levels(page: &mut Page<'_>, flavour: &FlavourSheet) {
    let description = match flavour.description.as_str() {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    fact(page, "Flavour", [plain(&flavour.id) + description.as_str()], "");
    let names = flavour.levels.iter().map(|level| {
        let default = flavour.default_level.as_ref() == Some(level);
        plain(level) + if default { dim(" (default)") } else { Text::empty() }
    });
    if !flavour.levels.is_empty() {
        fact(page, "Levels", names, ", ");
    }
}

fn vdus(page: &mut Page<'_>, flavour: &FlavourSheet) {
    let aspects = flavour.vdus.iter().any(|vdu| vdu.aspect.is_some());
    let mut header: Vec<Text> = ["VDU", "WORKLOAD", "IMAGES"].map(bold).to_vec();
    if !flavour.levels.is_empty() {
        header.push(bold("LEVELS"));
    }
    header.push(bold("MIN..MAX"));
    if aspects {
        header.push(bold("ASPECT (STEPS)"));
    }
    let mut rows = vec![header];
    for vdu in &flavour.vdus {
        let workload = match &vdu.workload {
            Some(workload) => plain(&workload.to_string()),
            None => yellow("no workload of that name"),
        };
        let images = join(vdu.images.iter().map(|image| plain(image)), ", ");
        let mut row = vec![plain(&vdu.id), workload, if images.is_empty() { plain("-") } else { images }];
        if !flavour.levels.is_empty() {
            let at = |level: usize| vdu.instances.get(level).copied().flatten();
            let numbers: Vec<String> = (0..flavour.levels.len())
                .map(|level| at(level).map_or_else(|| "-".to_owned(), |number| number.to_string()))
                .collect();
            let unknown = numbers.iter().all(|number| number == "-");
            row.push(plain(&if unknown { "-".to_owned() } else { numbers.join(", ") }));
        }
        let (min, max) = vdu.bounds;
        row.push(plain(&format!("{min}..{max}")));
        row.extend(vdu.aspect.as_ref().map(|(aspect, steps)| plain(&format!("{aspect} ({steps})"))));
        rows.push(row);
    }
    page.rows(2, 8, &rows);
}

fn config(page: &mut Page<'_>, config: &[(ObjectRef, Vec<String>)]) {
    let name = |object: &ObjectRef| plain(&object.to_string());
    let width = config.iter().map(|(object, _)| name(object).width()).max().unwrap_or(0);
    for (index, (object, users)) in config.iter().enumerate() {
        let label = if index == 0 { bold("Config") } else { Text::empty() };
        let head = label.pad(FACTS - 2) + name(object).pad(width) + "  ";
        if users.is_empty() {
            page.line(2, head + dim("used by no Pod"));
        } else {
            page.list(2, head + dim("used by "), users.iter().map(|user| plain(user)), " ");
        }
    }
}

fn scripts(page: &mut Page<'_>, scripts: &[ScriptLine]) {
    if scripts.is_empty() {
        return;
    }
    for (index, script) in scripts.iter().enumerate() {
        let label = if index == 0 { bold("Scripts") } else { Text::empty() };
        let missing = if script.present { "" } else { ", not in the package" };
        let head = label.pad(FACTS - 2);
        page.list(2, head, [plain(&script.name), plain(&format!("({}){missing}", script.event))], " ");
    }
    let text = "scripts are never run, the container update is built in";
    page.paragraph(FACTS, Text::empty(), text);
}
