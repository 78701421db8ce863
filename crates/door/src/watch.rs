//! Progress bars on standard error, and stopping at Ctrl-C.

use std::cell::RefCell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cdt_trace::Watch;
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::Exit;

/// How often Ctrl-C was pressed, and how many of those were heeded and are forgotten.
static INTERRUPTS: AtomicU64 = AtomicU64::new(0);
static FORGOTTEN: AtomicU64 = AtomicU64::new(0);
/// When the last one was that counts.
static LAST: Mutex<Option<Instant>> = Mutex::new(None);
/// Whether files get their names.
static IS_NAMING: AtomicBool = AtomicBool::new(false);

/// Interrupts that follow one another more quickly than somebody types are one: `timeout` of the GNU coreutils signals both the
/// process and its group.
const ONE: Duration = Duration::from_millis(200);
/// How long work may take to stop.
const GRACE: Duration = Duration::from_secs(5);
/// Work shorter than this shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// From now on Ctrl-C asks the running work to stop, which leaves nothing half done. Work that cannot hear it, because it waits
/// for a pipe, is ended with this exit code: at the second Ctrl-C, or after a while.
pub fn catch_interrupts(program: &'static str, exit: Exit) {
    // Without a handler Ctrl-C ends the process at once; then a `.partial` file may stay, which the next writer names.
    let _ = ctrlc::set_handler(move || {
        #[expect(clippy::disallowed_methods, reason = "a door may ask the clock")]
        let now = Instant::now();
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now - last < ONE) {
            return;
        }
        *last = Some(now);
        drop(last);
        let this = INTERRUPTS.fetch_add(1, Ordering::Relaxed) + 1;
        if this - FORGOTTEN.load(Ordering::Relaxed) > 1 {
            leave(program, exit);
        }
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            if FORGOTTEN.load(Ordering::Relaxed) < this {
                leave(program, exit);
            }
        });
    });
}

/// Ends the process, unless files are getting their names: that takes no longer than the disk does.
#[expect(clippy::disallowed_methods, reason = "nothing else ends a thread that waits for a pipe")]
fn leave(program: &str, exit: Exit) {
    if !IS_NAMING.load(Ordering::Relaxed) {
        let message = "broken off; a file that ends in .partial or .recovering may stay, which --force clears";
        let _ = writeln!(std::io::stderr(), "{program}: {message}");
        std::process::exit(exit.code().into());
    }
}

fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::Relaxed) > FORGOTTEN.load(Ordering::Relaxed)
}

/// Forgets every Ctrl-C so far, which has been heeded: the next one stops what is done then.
pub fn forget_interrupt() {
    FORGOTTEN.store(INTERRUPTS.load(Ordering::Relaxed), Ordering::Relaxed);
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// While this is there nothing is broken off.
#[derive(Debug)]
pub struct Naming(());

impl Naming {
    /// From now on.
    pub fn begin() -> Naming {
        IS_NAMING.store(true, Ordering::Relaxed);
        Naming(())
    }
}

impl Drop for Naming {
    fn drop(&mut self) {
        IS_NAMING.store(false, Ordering::Relaxed);
    }
}

/// Draws a bar for work that takes over a second, on a terminal only.
pub struct Bar {
    doing: &'static str,
    began: Instant,
    bar: RefCell<Option<ProgressBar>>,
    naming: RefCell<Option<Naming>>,
}

impl Bar {
    /// A bar for work that is called `doing`.
    #[expect(clippy::disallowed_methods, reason = "a door may ask the clock")]
    pub fn new(doing: &'static str) -> Bar {
        Bar { doing, began: Instant::now(), bar: RefCell::new(None), naming: RefCell::new(None) }
    }
}

impl Bar {
    /// Lets something be written that must not end up in the middle of the bar.
    pub fn aside(&self, write: impl FnOnce()) {
        match &*self.bar.borrow() {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl Watch for Bar {
    fn progress(&self, done: u64, total: Option<u64>) {
        if self.began.elapsed() < PATIENCE {
            return;
        }
        let mut bar = self.bar.borrow_mut();
        let bar = bar.get_or_insert_with(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let how = if total.is_some() { "{msg} {wide_bar} {percent}% {eta}" } else { "{spinner} {msg} {human_pos}" };
            let style = ProgressStyle::with_template(how);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())).with_message(self.doing)
        });
        bar.set_position(done);
    }

    fn cancelled(&self) -> bool {
        interrupted()
    }

    fn point_of_no_return(&self) {
        self.naming.borrow_mut().get_or_insert_with(Naming::begin);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}
