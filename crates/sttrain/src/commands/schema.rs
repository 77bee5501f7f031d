//! `sttrain schema`: the JSON schema of recipes.

use st_train::recipe::json_schema;

use super::{ExitStatus, print};

/// Prints the schema.
pub(crate) fn run() -> anyhow::Result<ExitStatus> {
    print(&format!(
        "{}\n",
        serde_json::to_string_pretty(&json_schema())?
    ))?;
    Ok(ExitStatus::Done)
}
