//! A folder for what a target writes. It is emptied before each use, and gone with the process.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

thread_local! {
    static SCRATCH: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Gives `work` an empty folder.
pub(crate) fn with_folder(work: impl FnOnce(&Path)) {
    SCRATCH.with(|scratch| {
        let folder = scratch.get_or_init(|| tempfile::tempdir().expect("a folder can be made")).path();
        files(folder).iter().for_each(|file| std::fs::remove_file(file).expect("the file is there"));
        work(folder);
    });
}

/// What stands in a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    files
}
