//! A private OpenLDAP, made from the configuration that the project ships: what is durable there is durable here.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

pub(crate) const SLAPD: &str = "/usr/sbin/slapd";
const SLAPADD: &str = "/usr/sbin/slapadd";
pub(crate) const ADMINISTRATOR: &str = "cn=admin,dc=example,dc=org";
/// As `slapd.conf.in` has it.
pub(crate) const PASSWORD: &str = "secret";

/// Runs until it is dropped.
pub(crate) struct Slapd {
    child: Child,
    pub(crate) address: SocketAddr,
    _folder: TempDir,
}

impl Slapd {
    /// Starts one that holds the tree that the project ships and these entries in LDIF.
    pub(crate) fn start(entries: impl Iterator<Item = String>) -> Result<Self> {
        let folder = folder("slapd")?;
        let configuration = folder.path().join("slapd.conf");
        let shipped = fs::read_to_string(project().join("docker/openldap/slapd.conf.in"))?;
        let text = shipped.replace("@RUN@", &folder.path().display().to_string());
        let larger = text.replace("maxsize  1073741824", "maxsize  17179869184");
        ensure!(larger != text, "slapd.conf.in has another maxsize than the one that is raised here");
        fs::write(&configuration, larger)?;
        fs::create_dir(folder.path().join("data"))?;
        let ldif = folder.path().join("entries.ldif");
        let mut file = BufWriter::new(File::create(&ldif)?);
        file.write_all(&fs::read(project().join("docker/openldap/base.ldif"))?)?;
        file.write_all(b"\n")?;
        for entry in entries {
            file.write_all(entry.as_bytes())?;
        }
        file.into_inner()?.sync_all()?;
        let loaded = Command::new(SLAPADD).args(["-q", "-f"]).arg(&configuration).arg("-l").arg(&ldif).output();
        let loaded = loaded.context("cannot run slapadd")?;
        ensure!(loaded.status.success(), "slapadd: {}", String::from_utf8_lossy(&loaded.stderr));
        fs::remove_file(&ldif)?;
        let address = free_address()?;
        let mut child = Command::new(SLAPD)
            .arg("-f")
            .arg(&configuration)
            .args(["-h", &format!("ldap://{address}/"), "-d", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("slapd.log"))?)
            .spawn()
            .context("cannot run slapd")?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            let ended = child.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                child.kill().ok();
                bail!("slapd does not answer: {}", fs::read_to_string(folder.path().join("slapd.log"))?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { child, address, _folder: folder })
    }

    pub(crate) fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What slapd says that it is.
pub(crate) fn version() -> Result<String> {
    let said =
        Command::new(SLAPD).arg("-VV").output().context("cannot run slapd: `scripts/install-needed` installs it")?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    let words = text.split_whitespace().skip_while(|word| *word != "slapd").nth(1);
    Ok(words.unwrap_or("unknown").to_owned())
}

/// The project's folder, where the shipped configuration is.
pub(crate) fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder of its own on a disk that has to be waited for.
///
/// # Errors
/// It would be in memory, where a sync costs nothing and every figure would be too good.
pub(crate) fn folder(purpose: &str) -> Result<TempDir> {
    let folder = TempDir::with_prefix(format!("scimbridge-bench-{purpose}-"))?;
    ensure!(
        !is_memory(folder.path())?,
        "{} is in memory, where nothing is synced: set TMPDIR to a folder on a disk",
        folder.path().display()
    );
    Ok(folder)
}

fn is_memory(path: &Path) -> Result<bool> {
    Ok(nix::sys::statfs::statfs(path)?.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}
