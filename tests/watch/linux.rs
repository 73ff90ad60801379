//! The watching, by Linux's `ptrace`.

use std::{
    env,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::{Command, ExitCode, Stdio},
};

use nix::{
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

/// Calls whose second argument is an address.
const CONNECTS: [i64; 2] = [nix::libc::SYS_connect, nix::libc::SYS_bind];

/// Calls that change files by name, and where among their arguments the name stands.
const CHANGES: [(i64, usize); 9] = [
    (nix::libc::SYS_mkdirat, 1),
    (nix::libc::SYS_mknodat, 1),
    (nix::libc::SYS_renameat2, 3),
    (nix::libc::SYS_linkat, 3),
    (nix::libc::SYS_symlinkat, 2),
    (nix::libc::SYS_unlinkat, 1),
    (nix::libc::SYS_truncate, 0),
    (nix::libc::SYS_memfd_create, 0),
    (nix::libc::SYS_openat2, 1),
];

/// Calls by which a program could do any of this unseen.
const UNSEEN: [i64; 3] =
    [nix::libc::SYS_io_uring_setup, nix::libc::SYS_process_vm_writev, nix::libc::SYS_pidfd_getfd];

#[expect(clippy::zombie_processes, reason = "it is awaited as what is traced")]
pub(crate) fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let notes = File::create(arguments.next().expect("notes")).expect("a file for notes");
    // The shell waits until it is traced, and then becomes the program.
    let mut shell = Command::new("/bin/sh")
        .args([
            "-c",
            "read -r go && exec \"$0\"",
            &arguments.next().expect("a program").to_string_lossy(),
        ])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let first = Pid::from_raw(i32::try_from(shell.id()).expect("an id"));
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(first, options).expect("it can be traced");
    ptrace::interrupt(first).expect("it stops");
    shell.stdin.take().expect("a pipe").write_all(b"go\n").expect("it goes");
    let mut watch = Watch { notes, program: false };
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)).expect("something to watch") {
            WaitStatus::PtraceSyscall(thread) => {
                watch.note(thread);
                go_on(thread, None);
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                // From here on it is the program.
                watch.program |= event == nix::libc::PTRACE_EVENT_EXEC;
                go_on(thread, None);
            }
            WaitStatus::Stopped(thread, signal) => go_on(thread, Some(signal)),
            WaitStatus::Exited(thread, code) if thread == first => {
                return u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from);
            }
            WaitStatus::Signaled(thread, ..) if thread == first => return ExitCode::FAILURE,
            WaitStatus::Exited(..)
            | WaitStatus::Signaled(..)
            | WaitStatus::Continued(_)
            | WaitStatus::StillAlive => {}
        }
    }
}

fn go_on(thread: Pid, signal: Option<nix::sys::signal::Signal>) {
    // It may have ended meanwhile.
    let _ended = ptrace::syscall(thread, signal);
}

struct Watch {
    notes: File,
    program: bool,
}

impl Watch {
    /// Notes what a thread does that has stopped before or after a system call.
    fn note(&mut self, thread: Pid) {
        if !self.program {
            return;
        }
        let Some((call, arguments)) = call(thread) else { return };
        let memory = Memory(thread);
        let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
        if CONNECTS.contains(&call) {
            self.write("connects", &memory.address(at(1)));
        } else if call == nix::libc::SYS_sendto && at(4) != 0 {
            self.write("connects", &memory.address(at(4)));
        } else if call == nix::libc::SYS_sendmsg {
            // The first field of a message is a pointer to where it goes, if it says that.
            let address = memory.word(at(1));
            if address != 0 {
                self.write("connects", &memory.address(address));
            }
        } else if call == nix::libc::SYS_sendmmsg {
            let address = memory.word(at(1));
            if address != 0 {
                self.write("connects", &memory.address(address));
            }
        } else if call == nix::libc::SYS_openat {
            let changing =
                nix::libc::O_WRONLY | nix::libc::O_RDWR | nix::libc::O_CREAT | nix::libc::O_TRUNC;
            if at(2) & u64::try_from(changing).expect("flags") != 0 {
                self.write("changes", &memory.text(at(1)));
            }
        } else if let Some((_, name)) = CHANGES.iter().find(|(number, _)| *number == call) {
            self.write("changes", &memory.text(at(*name)));
        } else if UNSEEN.contains(&call) {
            self.write("hides", &call.to_string());
        } else {
            self.note_old(call, &arguments, &memory);
        }
    }

    /// The calls that newer processors do not have any more.
    #[cfg(target_arch = "x86_64")]
    fn note_old(&mut self, call: i64, arguments: &[u64], memory: &Memory) {
        const OLD: [(i64, usize); 9] = [
            (nix::libc::SYS_creat, 0),
            (nix::libc::SYS_mkdir, 0),
            (nix::libc::SYS_mknod, 0),
            (nix::libc::SYS_rename, 1),
            (nix::libc::SYS_renameat, 3),
            (nix::libc::SYS_link, 1),
            (nix::libc::SYS_symlink, 1),
            (nix::libc::SYS_unlink, 0),
            (nix::libc::SYS_rmdir, 0),
        ];
        let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
        if call == nix::libc::SYS_open {
            let changing =
                nix::libc::O_WRONLY | nix::libc::O_RDWR | nix::libc::O_CREAT | nix::libc::O_TRUNC;
            if at(1) & u64::try_from(changing).expect("flags") != 0 {
                self.write("changes", &memory.text(at(0)));
            }
        } else if let Some((_, name)) = OLD.iter().find(|(number, _)| *number == call) {
            self.write("changes", &memory.text(at(*name)));
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn note_old(&mut self, _: i64, _: &[u64], _: &Memory) {}

    fn write(&mut self, what: &str, which: &str) {
        writeln!(self.notes, "{what} {which}").expect("a file for notes");
    }
}

/// The system call that a thread is in, and its arguments.
fn call(thread: Pid) -> Option<(i64, Vec<u64>)> {
    let text = fs::read_to_string(format!("/proc/{thread}/syscall")).ok()?;
    let mut words = text.split_whitespace();
    let call = words.next()?.parse().ok()?;
    let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
    Some((call, words.map_while(number).collect()))
}

/// The memory of a thread's process.
struct Memory(Pid);

impl Memory {
    fn read(&self, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut read = 0;
        let opened = File::open(format!("/proc/{}/mem", self.0)).ok();
        let placed = opened.filter(|memory| (&*memory).seek(SeekFrom::Start(at)).is_ok());
        if let Some(mut memory) = placed {
            // The end of what is mapped may come before the end of what is asked.
            while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
                match memory.read(rest) {
                    Ok(count @ 1..) => read = read.saturating_add(count),
                    Ok(_) | Err(_) => break,
                }
            }
        }
        bytes.truncate(read);
        bytes
    }

    fn word(&self, at: u64) -> u64 {
        self.read(at, 8).try_into().map_or(0, u64::from_ne_bytes)
    }

    fn text(&self, at: u64) -> String {
        let bytes = self.read(at, 4_096);
        let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(text).unwrap_or("a name that is no text").to_owned()
    }

    /// An address as the kernel takes it: its family, and what that makes of the rest.
    fn address(&self, at: u64) -> String {
        let bytes = self.read(at, 28);
        let Some((family, rest)) = bytes.split_first_chunk::<2>() else {
            return "an address that cannot be read".to_owned();
        };
        let Some((port, rest)) = rest.split_first_chunk::<2>() else { return "no port".to_owned() };
        let port = u16::from_be_bytes(*port);
        match i32::from(u16::from_ne_bytes(*family)) {
            nix::libc::AF_INET => rest.first_chunk::<4>().map_or_else(
                || "no address".to_owned(),
                |ip| SocketAddr::from((Ipv4Addr::from(*ip), port)).to_string(),
            ),
            nix::libc::AF_INET6 => {
                rest.get(4..20).and_then(|ip| <[u8; 16]>::try_from(ip).ok()).map_or_else(
                    || "no address".to_owned(),
                    |ip| SocketAddr::from((Ipv6Addr::from(ip), port)).to_string(),
                )
            }
            nix::libc::AF_UNSPEC => "nobody".to_owned(),
            nix::libc::AF_UNIX => {
                let path = self.text(at.saturating_add(2));
                format!("unix:{path}")
            }
            other => format!("family {other}"),
        }
    }
}
