//! The JSON Schema in `docs/` is the one that the row types give.

use std::path::Path;

#[test]
#[expect(clippy::disallowed_methods, reason = "`cargo xtask codegen` asks by it to write the file anew")]
fn the_schema_in_docs_is_that_of_the_row_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/capture.schema.json");
    let generated = cdt_ingest::capture_schema();
    if std::env::var_os("CDT_CODEGEN").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == generated, "docs/capture.schema.json is not what the row types give; run `cargo xtask codegen`");
}
