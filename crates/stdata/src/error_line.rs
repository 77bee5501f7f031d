//! What an error looks like on the terminal: one line.

/// The error and its causes on one line; a cause that the text before it tells already is left out.
pub(crate) fn of(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for text in error.chain().map(ToString::to_string) {
        if !line.contains(&text) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&text);
        }
    }
    let io = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::NotFound) => {
            line.push_str("; check the path, it starts from the current folder");
        }
        Some(std::io::ErrorKind::PermissionDenied) => line.push_str("; check the permissions"),
        _ => {}
    }
    line.replace('\n', "; ")
}

/// `stdata … | head` closes our stdout; that is the reader's choice and no failure.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn causes_are_told_once_and_on_one_line() {
        let error = anyhow::anyhow!("did not find ','").context("a.yaml: did not find ','");
        assert_eq!(of(&error), "a.yaml: did not find ','");
        let missing = std::fs::read("no such file").context("cannot read\na.json");
        let line = of(&missing.unwrap_err());
        assert!(
            line.starts_with("cannot read; a.json: ") && line.contains("check the path"),
            "{line}"
        );
    }
}
