//! `package`: what is in a package, without a cluster. Judging and making one, and packages in the cluster, stand in
//! files of their own.

pub mod make;
pub mod stored;
pub mod validate;

use super::reference::{PackageFlags, open_package, package_id};
use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::output::{Output, OutputParser};
use crate::cli::ui::Ui;
use crate::object::config::is_config;
use crate::object::mask::printable_line;
use crate::object::reference::uses;
use crate::object::workload::{WorkloadKind, pod_spec};
use crate::object::{Manifest, ObjectRef};
use crate::package::vnfd::Flavour;
use crate::package::{Package, Signature};
use crate::plan::live_images;
use crate::view::inspect::{
    self, AspectLine, ConfigLine, DigestCount, FlavourSheet, PackageSheet, ScriptLine, SignatureLine, VduLine,
};

/// Show what a package holds and what it would put on a cluster
///
/// Flavours with their levels and VDUs, images, objects, who uses which ConfigMap and Secret, digests, signature, scripts.
/// Nothing is asked of a cluster. `-o json` has a documented shape.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  # A CSAR, or a directory with the same tree
  kubectl vnf package inspect sample-1.csar

  # The names of its objects
  kubectl vnf package inspect sample-1.csar -o jsonpath='{.objects[*].name}'")]
pub struct InspectArgs {
    /// The package: a CSAR file, or a directory with the same tree
    pub package: String,
    /// Output format
    #[arg(short, long, value_parser = OutputParser::SINGLE, value_name = "FORMAT")]
    pub output: Option<Output>,
    /// Which packages are taken.
    #[command(flatten)]
    pub trust: PackageFlags,
}

pub(crate) fn inspect(_global: &Global, args: &InspectArgs) -> Result<Exit, CliError> {
    let package = open_package(&args.package, &args.trust)?;
    let selection = package.survey()?;
    let ui = Ui::new("");
    let sheet = sheet(&package, &selection.manifests);
    ui.out(&match &args.output {
        Some(output) => output.text(&sheet, &name_of(&sheet.id.vnfd_id))?,
        None => inspect::package(&sheet, &ui.screen(jiff::Timestamp::now())),
    });
    for problem in package.warnings.iter().chain(&selection.notes) {
        let word = if problem.is_note() { "note" } else { "warning" };
        ui.err(&format!("{word}[{}]: {}\n", problem.rule, printable_line(&problem.to_string())));
    }
    Ok(Exit::Done)
}

/// A package as `-o name` has it.
fn name_of(vnfd_id: &str) -> String {
    format!("vnfpackage/{vnfd_id}")
}

/// What the view shows of a package.
fn sheet(package: &Package, manifests: &[Manifest]) -> PackageSheet {
    let flavours = &package.vnfd.flavours;
    let vdu_of = |manifest: &Manifest| {
        let vdu = flavours.iter().find_map(|flavour| flavour.vdu_of(&manifest.reference.name));
        vdu.map_or_else(|| manifest.reference.to_string(), |vdu| vdu.id.clone())
    };
    let users = |config: &ObjectRef| -> Vec<String> {
        let mut users: Vec<(usize, String)> = manifests
            .iter()
            .filter(|manifest| {
                let spec = pod_spec(&manifest.object);
                spec.is_some_and(|spec| {
                    uses(spec).iter().any(|used| used.kind.as_str() == config.kind && used.name == config.name)
                })
            })
            .map(|manifest| {
                let name = &manifest.reference.name;
                let place = flavours.iter().find_map(|flavour| flavour.vdus.iter().position(|vdu| vdu.name == *name));
                (place.unwrap_or(usize::MAX), vdu_of(manifest))
            })
            .collect();
        users.sort();
        users.into_iter().map(|(_, user)| user).collect()
    };
    let config = manifests.iter().map(|manifest| &manifest.reference).filter(|reference| is_config(reference));
    PackageSheet {
        id: package_id(package),
        digests: DigestCount { matching: package.digests_checked, listed: package.digests_listed },
        signature: SignatureLine {
            text: package.signature.to_string(),
            verified: matches!(&package.signature, Signature::Good(signer) if signer.authority.is_some()),
        },
        flavours: flavours.iter().map(|flavour| flavour_sheet(flavour, manifests)).collect(),
        objects: manifests.iter().map(|manifest| manifest.reference.clone()).collect(),
        config: config.map(|reference| ConfigLine { object: reference.clone(), used_by: users(reference) }).collect(),
        scripts: package
            .scripts
            .iter()
            .map(|script| ScriptLine {
                name: script.name.clone(),
                event: script.operation.clone(),
                present: script.present,
            })
            .collect(),
    }
}

fn flavour_sheet(flavour: &Flavour, manifests: &[Manifest]) -> FlavourSheet {
    let levels: Vec<String> = flavour.levels.iter().map(|level| level.id.clone()).collect();
    let vdus = flavour.vdus.iter().map(|vdu| {
        let workload = manifests
            .iter()
            .find(|manifest| WorkloadKind::of(&manifest.reference).is_some() && manifest.reference.name == vdu.name);
        VduLine {
            id: vdu.id.clone(),
            workload: workload.map(|manifest| manifest.reference.clone()),
            images: workload.map(|manifest| live_images(&manifest.object)).unwrap_or_default().into_values().collect(),
            instances: vdu.instances.clone(),
            min: vdu.min,
            max: vdu.max,
            aspect: vdu.aspect.as_ref().and_then(|aspect| {
                let max_scale_level = flavour.aspect(&aspect.id)?.max_scale_level;
                Some(AspectLine { id: aspect.id.clone(), max_scale_level })
            }),
        }
    });
    FlavourSheet {
        id: flavour.id.clone(),
        description: flavour.description.clone(),
        default_level: flavour.default_level.clone(),
        vdus: vdus.collect(),
        levels,
    }
}
