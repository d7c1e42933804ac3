//! A child that does what its video's name says, after it was restricted: what a decoder could be brought
//! to do by a hostile video. Any other name is decoded. Under the name `old-kernel` the program takes Landlock from
//! itself first, as on a kernel that has none.

#![expect(unsafe_code, reason = "a crash has to be a real one")]
#![expect(clippy::print_stderr, reason = "its last words")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::process::{Command, ExitCode};
use std::time::Duration;

#[path = "sandbox/landlock.rs"]
mod landlock;

fn main() -> ExitCode {
    let program = std::env::args_os().next().map(std::path::PathBuf::from).unwrap_or_default();
    if program.ends_with("old-kernel") {
        landlock::take_away();
    }
    framelift_sandbox::serve(misbehave).unwrap_or(ExitCode::FAILURE)
}

/// Question and answer, until it is ended: the name of the first image, which only its parent knows.
fn asks(reads_answers: bool) -> ! {
    let question = [[4, 28, 0, 0, 0].as_slice(), &[0, 1], &[0; 15], &[1], &[0; 7], b"jpg"].concat();
    // SAFETY: descriptor 1 is open.
    let mut socket = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(1) };
    loop {
        let _ = socket.write_all(&question);
        if reads_answers {
            let _ = socket.read(&mut [0; 4096]);
        }
    }
}

/// Ends the child with what it could do: nothing of it may come to pass.
fn says<T>(what: &str, result: std::io::Result<T>) -> ! {
    match result {
        Ok(_) => eprintln!("{what}: it worked"),
        Err(error) => eprintln!("{what}: {:?}", error.kind()),
    }
    std::process::exit(3);
}

fn sends(bytes: &[u8]) -> ! {
    let _ = std::io::stdout().write_all(bytes);
    let _ = std::io::stdout().flush();
    std::thread::sleep(Duration::from_secs(3600));
    std::process::exit(3);
}

fn misbehave(name: &str) {
    let (what, argument) = name.split_once(' ').unwrap_or((name, ""));
    match what {
        // SAFETY: none; that is what it is for.
        "segfault" => unsafe { std::ptr::null_mut::<u8>().write_volatile(1) },
        "abort" => std::process::abort(),
        "panic" => panic!("as asked"),
        "quiet" => std::process::exit(0),
        "allocate" => {
            let mut hoard = Vec::new();
            loop {
                hoard.push(vec![1_u8; 64 << 20]);
            }
        }
        "spin" => loop {
            std::hint::spin_loop();
        },
        "hang" => std::thread::sleep(Duration::from_secs(3600)),
        "open" => says("open", File::open(argument)),
        "list" => says("list", std::fs::read_dir("/")),
        "write" => says("write", File::create("/tmp/framelift-escape")),
        "connect" => says("connect", TcpStream::connect(argument)),
        "datagram" => says("datagram", UnixDatagram::unbound()),
        "exec" => says("exec", Command::new("/bin/true").spawn()),
        // SAFETY: the child of it, if there is one, only ends.
        "fork" => match unsafe { libc::fork() } {
            0 => std::process::exit(0),
            pid => says("fork", if pid < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }),
        },
        "ptrace" => {
            let pid: libc::pid_t = argument.parse().unwrap_or(1);
            // SAFETY: nothing is read or written.
            let done = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, 0) };
            says("ptrace", if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) })
        }
        "signal" => {
            let pid: libc::pid_t = argument.parse().unwrap_or(1);
            // SAFETY: a plain call.
            let done = unsafe { libc::kill(pid, libc::SIGUSR1) };
            says("signal", if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) })
        }
        "code" => {
            let (none, page) = (std::ptr::null_mut(), 4096);
            let (access, kind) =
                (libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: a new page.
            let made = unsafe { libc::mmap(none, page, access, kind, -1, 0) };
            says("code", if made == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) })
        }
        "raise-limit" => {
            let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: the limit is read alone.
            let done = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
            says("raise-limit", if done < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) })
        }
        "environment" => {
            let names: Vec<_> =
                std::env::vars_os().map(|(name, _)| name).filter(|name| name != "LD_LIBRARY_PATH").collect();
            eprintln!("environment: {names:?}");
            std::process::exit(3);
        }
        "descriptors" => {
            // SAFETY: a descriptor that is not open is an error of the call.
            let open = (0..1024).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0).count();
            eprintln!("descriptors: {open}");
            std::process::exit(3);
        }
        "garbage" => sends(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n"),
        // A piece of 4 GiB, a member's name that leads elsewhere, an image out of turn, a percentage that is none.
        "huge" => sends(&[7, 0xff, 0xff, 0xff, 0xff]),
        "name" => sends(&[[6, 33, 0, 0, 0].as_slice(), &[0; 21], &[1], b"../../x.txt"].concat()),
        "turn" => sends(
            &[
                [6, 49, 0, 0, 0].as_slice(),
                &[0; 21],
                &[0, 9, 0, 0, 0, 0, 0, 0, 0],
                &[0; 8],
                &[1, 0, 0, 0, 0, 0, 0, 0],
                b"jpg",
            ]
            .concat(),
        ),
        "percent" => sends(&[[3, 37, 0, 0, 0].as_slice(), &[2], &f32::NAN.to_le_bytes(), &[0; 32]].concat()),
        "ask" => asks(false),
        "flood" => asks(true),
        "done" => sends(&[[8, 2, 0, 0, 0].as_slice(), b"{}"].concat()),
        "read" => {
            // Of 4 GiB, on the socket of reads.
            // SAFETY: descriptor 0 is open.
            let mut socket = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(0) };
            let _ = socket.write_all(&[11, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
            std::thread::sleep(Duration::from_secs(3600));
        }
        _ => {}
    }
}
