//! Every way in which a model folder can be wrong.

use std::path::PathBuf;

use safetensors::Dtype;

use crate::StrictReport;

/// What is wrong with a model file or folder. Each message names the file, the place, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The operating system refused; the message of the source names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The folder holds no weights under any of the names that are looked for.
    #[error("{} holds none of {expected:?}: is it the folder of a model?", dir.display())]
    NoWeights {
        /// The folder.
        dir: PathBuf,
        /// The file names that were looked for.
        expected: &'static [&'static str],
    },
    /// A JSON file cannot be read.
    #[error("{}: not valid JSON", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A JSON file is valid but lacks something or has it in another form.
    #[error("{}: {fault}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong, as a sentence.
        fault: String,
    },
    /// A file is larger than anything of its kind could be.
    #[error("{} is {size} bytes, more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is shorter than its own header.
    #[error(
        "{}: the header should be {header} bytes, but the file has only {size}: it is cut off or not safetensors; fetch it again",
        path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Length of the header that the first eight bytes state, in bytes.
        header: u64,
        /// Size of the file in bytes.
        size: u64,
    },
    /// The header is not the JSON that safetensors prescribes.
    #[error("{}: the safetensors header is not valid JSON", path.display())]
    HeaderJson {
        /// The file.
        path: PathBuf,
        /// Line and column within the header.
        #[source]
        source: serde_json::Error,
    },
    /// An element type that safetensors does not have.
    #[error("{}: tensor `{name}` has the unknown dtype `{dtype}`", path.display())]
    UnknownDtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What the header says.
        dtype: String,
    },
    /// Shape and byte range of a tensor contradict each other.
    #[error(
        "{}: tensor `{name}` of dtype {dtype} and shape {shape:?} cannot lie in bytes {start}..{end} of the data: the header lies about sizes",
        path.display()
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Element type.
        dtype: Dtype,
        /// Shape in the header.
        shape: Vec<usize>,
        /// First byte, counted from the end of the header.
        start: usize,
        /// One past the last byte.
        end: usize,
    },
    /// Byte ranges overlap or leave a hole.
    #[error(
        "{}: tensor `{name}` starts at byte {start} of the data where {expected} was due: tensors overlap or leave a hole",
        path.display()
    )]
    Offset {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where it starts.
        start: usize,
        /// Where the one before it ends.
        expected: usize,
    },
    /// The data is shorter or longer than the header says.
    #[error("{}: {found} bytes of data where the header describes {expected}: the file is cut off or has a tail; fetch it again", path.display())]
    DataLength {
        /// The file.
        path: PathBuf,
        /// Bytes that the header describes.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The index names a file outside the folder, or something that is no shard.
    #[error("{}: `{name}` is said to be in {file:?}, which is not the plain name of a .safetensors file in this folder", path.display())]
    IndexPath {
        /// The index.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What the index says.
        file: String,
    },
    /// The index names a tensor that the shard does not hold.
    #[error("{}: `{name}` is said to be in {file}, but is not there: index and shards are not from the same model", path.display())]
    IndexAbsent {
        /// The index.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shard.
        file: String,
    },
    /// A shard holds a tensor that the index places elsewhere or not at all.
    #[error("{}: {file} holds `{name}`, which the index does not place there: index and shards are not from the same model", path.display())]
    IndexUnlisted {
        /// The index.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The shard.
        file: String,
    },
    /// The names, shapes or element types are not those of the model.
    #[error("{}: the weights are not those of this model: {report}", dir.display())]
    Strict {
        /// The folder.
        dir: PathBuf,
        /// All differences.
        report: StrictReport,
    },
    /// A tensor is not of a floating-point type.
    #[error("tensor `{name}` is {dtype}, not one of F32, F16, BF16")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its element type.
        dtype: Dtype,
    },
    /// A tensor is no table with a row for each token.
    #[error("tensor `{name}` has the shape {shape:?}, not {rows} rows or more")]
    NoTable {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Rows it must have at least.
        rows: usize,
    },
    /// A `PyTorch` file could not be read, or holds something that the reader does not allow.
    #[error("{}: {fault}", path.display())]
    Torch {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        fault: crate::pickle::PickleError,
    },
    /// A tensor that was to be written was not announced, came out of turn, or has the wrong size.
    #[error("{}: cannot write `{name}`: {fault}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// What is wrong.
        fault: String,
    },
    /// The target of a save is there already.
    #[error("{} exists and is not empty: name another folder or remove it", path.display())]
    Exists {
        /// The target.
        path: PathBuf,
    },
}
