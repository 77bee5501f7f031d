//! repo@revision/path to a verified local path.
