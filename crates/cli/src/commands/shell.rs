//! `completions` and `man`: what a shell and a manual want to know of the command line.

use std::path::Path;

use cdt_door::exit::{Exit, Failure};
use cdt_door::terminal::Terminal;
use cdt_door::watch::Naming;
use cdt_trace::NewFile;
use clap::CommandFactory;

use crate::args::{self, Args};

/// Prints a shell's completion script.
pub fn completions(args: &args::Completions, terminal: &Terminal) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "cdt", &mut script);
    print(&script, terminal)
}

/// Prints the manual page of `cdt`, or writes those of all commands.
pub fn man(args: &args::Man, terminal: &Terminal) -> Result<Exit, Failure> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(Args::command()).render(&mut page);
        written.map_err(|error| Failure(format!("cannot write the manual page: {error}")))?;
        return print(&page, terminal);
    };
    let failed =
        |path: &Path, error: std::io::Error| Failure(format!("{}: cannot write the manual: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let mut pages = Vec::new();
    let mut all = Args::command().disable_help_subcommand(true);
    all.build();
    for command in std::iter::once(&all).chain(all.get_subcommands()).filter(|command| !command.is_hide_set()) {
        let page = clap_mangen::Man::new(command.clone());
        let mut file = NewFile::create(&folder.join(page.get_filename()), "manual page", true)?;
        page.render(&mut file).and_then(|()| file.sync()).map_err(|error| failed(file.path(), error))?;
        pages.push(file);
    }
    let _naming = Naming::begin();
    for left in NewFile::publish_all(pages)? {
        terminal.complain(&format!("{}: a replaced page could not be removed", left.display()));
    }
    Ok(Exit::Yes)
}

fn print(bytes: &[u8], terminal: &Terminal) -> Result<Exit, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|error| Failure(format!("cannot print it: {error}")))?;
    terminal.print(text)?;
    Ok(Exit::Yes)
}
