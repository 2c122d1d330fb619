//! The plan of a rollback: from where an operation stopped, back to where it began.

use super::super::Screen;
use super::super::page::Page;
use super::super::style::{bold, dim, plain};
use super::super::words::{count, short_id};
use super::{FACTS, blocks, changes, notes, place};
use crate::plan::sheet::Sheet;

/// What is put back, and what stays; `to` is the former revision, `None`: there was nothing, and nothing is left.
///
/// The sheet is that of the operation: its verb, and its id in place of the instance's.
pub fn rollback(sheet: &Sheet, to: Option<u64>, screen: &Screen) -> String {
    let mut page = Page::new(screen);
    let what = plain(&format!("{} ", sheet.verb)) + dim(short_id(&sheet.id)) + " of " + bold(&sheet.name);
    let to = to.map(|number| format!(" to revision {number}")).unwrap_or_default();
    page.list(0, bold("Rollback").pad(FACTS), [what + to.as_str(), place(sheet)], "   ");
    notes(&mut page, &sheet.notes);
    if to.is_empty() {
        blocks::terminate(&mut page, sheet);
        return page.finish();
    }
    if sheet.items.is_empty() {
        page.blank();
        page.line(2, "nothing of it has changed: only the record is put right");
    }
    blocks::config(&mut page, sheet);
    blocks::workloads(&mut page, sheet);
    blocks::others(&mut page, sheet);
    blocks::drift(&mut page, &sheet.drift);
    blocks::untouched(&mut page, sheet);
    blocks::down(&mut page, sheet);
    page.finish()
}

/// The question before a rollback's first write.
pub fn question(sheet: &Sheet, to: Option<u64>) -> String {
    match to {
        Some(number) => changes(sheet, &format!("Record revision {number} as in force again")),
        None => {
            let what = format!("delete {}", count(sheet.items.len(), "object"));
            super::asked(sheet, vec![what], "")
        }
    }
}
