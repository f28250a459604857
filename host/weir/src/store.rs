//! What survives the process: records in one file, committed as a whole or not at all.
//!
//! redb sees to it that a crash at any instant leaves the last commit. Here is what redb
//! leaves to its user: a file that cannot be read is set aside and told, a disk that is full
//! or broken is survived, and left again when it works. What the records say is the
//! manager's matter.

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use anyhow::bail;
use redb::{
    Builder, Database, ReadableDatabase as _, ReadableTable as _, StorageBackend as _,
    TableDefinition, WriteTransaction, backends::InMemoryBackend,
};

/// Records by their keys.
pub(crate) type Records = BTreeMap<String, String>;

/// Records that change together; none = it is gone.
pub(crate) type Changes = BTreeMap<String, Option<String>>;

const TABLE: TableDefinition<'_, &str, &str> = TableDefinition::new("records");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The layout of the records; in [`META`]. A file with a larger one is another weir's.
const FORMAT: u64 = 1;

/// Bytes of pages that are kept in memory: all of it, nearly always.
const CACHE_BYTES: usize = 4 << 20;

/// The open file.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// None = it failed, and is opened again with the next commit.
    database: Option<Database>,
    /// All that is to be in the file, whether or not it could be written.
    records: Records,
    /// Whether there may be a file of which nothing is known.
    is_unread: bool,
}

/// What an attempt to open found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// No file: this is the first time, or somebody removed it.
    Nothing,
    /// What was last committed.
    Records,
    /// A file that cannot be used, and why; it is at another path now.
    SetAside { to: PathBuf, why: String },
    /// The file cannot be reached, and why. What it has is not known.
    Unreachable(String),
}

impl Store {
    /// Opens the file at `path`, whose directory is made if need be, with mode 0700. Fails only
    /// if another process has it.
    pub(crate) fn open(path: PathBuf) -> anyhow::Result<(Self, Found)> {
        let (database, records, found) = match read(&path) {
            Ok(None) => (None, Records::new(), Found::Nothing),
            Ok(Some((database, records))) => (Some(database), records, Found::Records),
            Err(Unread::Taken) => bail!(
                "another weir keeps its state in {}: stop it, or choose another place with \
                 [state] directory",
                path.display()
            ),
            Err(Unread::Broken(why)) => (None, Records::new(), set_aside(&path, why)),
            Err(Unread::Unreachable(why)) => (None, Records::new(), Found::Unreachable(why)),
        };
        let is_unread = matches!(found, Found::Unreachable(_));
        Ok((Self { path, database, records, is_unread }, found))
    }

    /// What is in it.
    pub(crate) fn records(&self) -> &Records {
        &self.records
    }

    /// Commits `changes`, and whatever could not be committed before. Once this returns Ok,
    /// they survive the machine's loss of power.
    pub(crate) fn commit(&mut self, changes: &Changes) -> Result<(), String> {
        apply(&mut self.records, changes);
        let result = match self.database.take() {
            Some(database) => match write(&database, changes) {
                Ok(()) => Ok(database),
                Err(error) => Err(error.into()),
            },
            None => self.begin_anew(),
        };
        // After a failure redb wants to be opened again.
        self.database = Some(result.map_err(|error| format!("{error:#}"))?);
        Ok(())
    }

    /// Opens the file, which is made if need be, and gives it all records.
    fn begin_anew(&mut self) -> anyhow::Result<Database> {
        let database = match read(&self.path) {
            Ok(Some((database, _))) if !self.is_unread => Some(database),
            Ok(Some(_)) => {
                self.put_aside("it was not read at the start")?;
                None
            }
            Ok(None) => None,
            Err(Unread::Broken(why)) => {
                self.put_aside(&why)?;
                None
            }
            Err(Unread::Taken) => bail!("another process has {}", self.path.display()),
            Err(Unread::Unreachable(why)) => bail!(why),
        };
        let database = match database {
            Some(database) => {
                write_all(&database, &self.records)?;
                database
            }
            None => make(&self.path, &self.records)?,
        };
        self.is_unread = false;
        Ok(database)
    }

    fn put_aside(&self, why: &str) -> anyhow::Result<()> {
        match set_aside(&self.path, why.to_owned()) {
            Found::Unreachable(why) => bail!(why),
            _ => Ok(()),
        }
    }
}

/// The records of the file at `path`, which stays as it is: what a crash left undone is done
/// in memory. None where there is no file; why they cannot be had, where there is one.
pub(crate) fn peek(path: &Path) -> Result<Records, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Records::new()),
        Err(error) => return Err(error.to_string()),
    };
    let open = || -> Result<_, redb::Error> {
        let copy = InMemoryBackend::new();
        copy.set_len(bytes.len() as u64)?;
        copy.write(0, &bytes)?;
        read_records(&builder().create_with_backend(copy)?)
    };
    match guarded(open) {
        Ok(records) => Ok(records),
        Err(Unread::Broken(why) | Unread::Unreachable(why)) => Err(why),
        Err(Unread::Taken) => Err("another process has it".to_owned()),
    }
}

/// Makes a file that holds `records`, which appears whole: a crash before leaves none.
fn make(path: &Path, records: &Records) -> anyhow::Result<Database> {
    let directory = make_directory(path)?;
    let mut unborn = path.as_os_str().to_owned();
    unborn.push(".new");
    match fs::remove_file(&unborn) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let database = builder().create(&unborn)?;
    fs::set_permissions(&unborn, fs::Permissions::from_mode(0o600))?;
    write_all(&database, records)?;
    fs::rename(&unborn, path)?;
    fs::File::open(directory)?.sync_all()?;
    Ok(database)
}

/// What `changes` make of `records`.
pub(crate) fn apply(records: &mut Records, changes: &Changes) {
    for (key, record) in changes {
        match record {
            Some(record) => records.insert(key.clone(), record.clone()),
            None => records.remove(key),
        };
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    builder
}

/// Commits `changes`.
fn write(database: &Database, changes: &Changes) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    put(&transaction, changes)?;
    Ok(transaction.commit()?)
}

/// Commits these `records` in place of all that there are.
fn write_all(database: &Database, records: &Records) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.delete_table(TABLE)?;
    let all = records.iter().map(|(key, it)| (key.clone(), Some(it.clone())));
    put(&transaction, &all.collect())?;
    Ok(transaction.commit()?)
}

fn put(transaction: &WriteTransaction, changes: &Changes) -> Result<(), redb::Error> {
    transaction.open_table(META)?.insert("format", FORMAT)?;
    let mut table = transaction.open_table(TABLE)?;
    for (key, record) in changes {
        match record {
            Some(record) => table.insert(key.as_str(), record.as_str())?,
            None => table.remove(key.as_str())?,
        };
    }
    Ok(())
}

/// Why nothing was read.
enum Unread {
    Taken,
    Broken(String),
    Unreachable(String),
}

/// All records of the file; none = there is no file.
fn read(path: &Path) -> Result<Option<(Database, Records)>, Unread> {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Unread::Unreachable(error.to_string())),
        Ok(_) => {}
    }
    guarded(|| {
        let database = builder().open(path)?;
        let records = read_records(&database)?;
        Ok(records.map(|records| (database, records)))
    })
    .map(Some)
}

/// What comes of opening a file. Of one that it did not write, redb may think that only a bug
/// of its own could be the cause.
fn guarded<T>(open: impl FnOnce() -> Result<Result<T, u64>, redb::Error>) -> Result<T, Unread> {
    match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(Ok(opened))) => Ok(opened),
        Ok(Ok(Err(format))) => {
            Err(Unread::Broken(format!("it has format {format}, which a later weir wrote")))
        }
        Ok(Err(redb::Error::DatabaseAlreadyOpen)) => Err(Unread::Taken),
        Ok(Err(redb::Error::Io(error))) if is_of_the_machine(error.kind()) => {
            Err(Unread::Unreachable(error.to_string()))
        }
        Ok(Err(error)) => Err(Unread::Broken(error.to_string())),
        Err(_) => Err(Unread::Broken("it is corrupt".to_owned())),
    }
}

/// Its records, or the format that they have instead of this weir's.
fn read_records(database: &Database) -> Result<Result<Records, u64>, redb::Error> {
    let transaction = database.begin_read()?;
    let format = transaction.open_table(META)?.get("format")?.map_or(0, |it| it.value());
    if format != FORMAT {
        return Ok(Err(format));
    }
    let table = transaction.open_table(TABLE)?;
    let mut records = Records::new();
    for record in table.iter()? {
        let (key, value) = record?;
        records.insert(key.value().to_owned(), value.value().to_owned());
    }
    Ok(Ok(records))
}

/// Whether a failure says more of the machine than of the file.
fn is_of_the_machine(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput)
}

/// Puts a file out of the way that cannot be used, beside where it was.
fn set_aside(path: &Path, why: String) -> Found {
    let free = (1..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".set-aside-{number}"));
        PathBuf::from(name)
    });
    let to = free.into_iter().find(|it| !fs::exists(it).unwrap_or(true));
    let Some(to) = to else { return Found::Unreachable(why) };
    match fs::rename(path, &to) {
        Ok(()) => Found::SetAside { to, why },
        Err(error) => Found::Unreachable(format!("{why}, and it cannot be set aside: {error}")),
    }
}

/// Makes the directory of that file, if it is missing; which one it is.
fn make_directory(path: &Path) -> std::io::Result<&Path> {
    let Some(directory) = path.parent().filter(|it| *it != Path::new("")) else {
        return Ok(Path::new("."));
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("lib/state.redb")
        }

        fn open(&self) -> (Store, Found) {
            Store::open(self.path()).unwrap()
        }
    }

    fn changes(changes: &[(&str, Option<&str>)]) -> Changes {
        changes.iter().map(|(key, it)| ((*key).to_owned(), it.map(str::to_owned))).collect()
    }

    fn records(records: &[(&str, &str)]) -> Records {
        records.iter().map(|(key, it)| ((*key).to_owned(), (*it).to_owned())).collect()
    }

    #[test]
    fn what_was_committed_is_there_again() {
        let place = Place::new();
        let (mut store, found) = place.open();
        assert_eq!((found, store.records().len()), (Found::Nothing, 0));
        assert_eq!(peek(&place.path()), Ok(Records::new()));
        assert!(!place.path().exists(), "nothing is written where there is nothing to keep");
        store.commit(&changes(&[("a", Some("1")), ("b", Some("2"))])).unwrap();
        store.commit(&changes(&[("a", None), ("b", Some("3"))])).unwrap();
        let mode = fs::metadata(place.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(store);
        let bytes = fs::read(place.path()).unwrap();
        assert_eq!(peek(&place.path()), Ok(records(&[("b", "3")])));
        assert_eq!(fs::read(place.path()).unwrap(), bytes, "to peek changes nothing");
        let (store, found) = place.open();
        assert_eq!((found, store.records()), (Found::Records, &records(&[("b", "3")])));
        assert!(Store::open(place.path()).is_err(), "two at a time");
    }

    #[test]
    fn what_a_crash_left_unborn_is_no_loss() {
        let place = Place::new();
        drop(place.open());
        let unborn = place.0.path().join("lib/state.redb.new");
        fs::create_dir(unborn.parent().unwrap()).unwrap();
        fs::write(&unborn, "half a database").unwrap();
        let (mut store, found) = place.open();
        assert_eq!(found, Found::Nothing);
        store.commit(&changes(&[("a", Some("1"))])).unwrap();
        store.commit(&changes(&[("b", Some("2"))])).unwrap();
        assert!(!unborn.exists());
        drop(store);
        assert_eq!(place.open().0.records(), &records(&[("a", "1"), ("b", "2")]));
    }

    fn check_set_aside(spoil: impl FnOnce(&Path)) -> String {
        let place = Place::new();
        let (mut store, _) = place.open();
        store.commit(&changes(&[("a", Some("1"))])).unwrap();
        drop(store);
        spoil(&place.path());
        assert!(peek(&place.path()).is_err());
        let (mut store, found) = place.open();
        let Found::SetAside { to, why } = found else { panic!("{found:?}") };
        assert!(to.exists() && !place.path().exists());
        assert!(store.records().is_empty());
        store.commit(&changes(&[("b", Some("2"))])).unwrap();
        drop(store);
        assert_eq!(place.open().0.records(), &records(&[("b", "2")]));
        why
    }

    #[test]
    fn what_cannot_be_read_is_set_aside() {
        check_set_aside(|path| fs::write(path, "no database").unwrap());
        check_set_aside(|path| fs::write(path, "").unwrap());
        check_set_aside(|path| {
            let mut bytes = fs::read(path).unwrap();
            let half = bytes.len() / 2;
            bytes[64..half].fill(0x5a);
            fs::write(path, bytes).unwrap();
        });
        let why = check_set_aside(|path| {
            let database = Database::create(path).unwrap();
            let transaction = database.begin_write().unwrap();
            transaction.open_table(META).unwrap().insert("format", 2).unwrap();
            transaction.commit().unwrap();
        });
        assert_eq!(why, "it has format 2, which a later weir wrote");
    }

    #[test]
    fn a_place_that_cannot_be_written_is_left_again() {
        let place = Place::new();
        // A file where the directory should be.
        let directory = place.path().parent().unwrap().to_owned();
        fs::write(&directory, "").unwrap();
        let (mut store, found) = place.open();
        assert!(matches!(found, Found::Unreachable(_)), "{found:?}");
        store.commit(&changes(&[("a", Some("1"))])).unwrap_err();
        store.commit(&changes(&[("b", Some("2"))])).unwrap_err();
        fs::remove_file(directory).unwrap();
        store.commit(&Changes::new()).unwrap();
        drop(store);
        let all = records(&[("a", "1"), ("b", "2")]);
        assert_eq!(place.open().0.records(), &all);
    }
}
