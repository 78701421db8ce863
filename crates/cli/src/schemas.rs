//! The JSON Schemas in `docs/schemas/` are those that the report types give.

use std::path::Path;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::commands::reports::{
    CompactJson, EntityJson, ExportJson, FinalizeJson, ImportJson, InfoJson, QueryJson, RecoverJson, TablesJson,
    TickJson,
};

fn schema<T: JsonSchema>(title: &str) -> String {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), format!("Report of cdt {title}").into());
    serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n"
}

#[test]
#[expect(clippy::disallowed_methods, reason = "`cargo xtask codegen` asks by it to write the files anew")]
fn the_schemas_in_docs_are_those_of_the_reports() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas");
    let all = [
        ("bisect", schema::<cdt_analysis::Bisect>("bisect")),
        ("compact", schema::<CompactJson>("compact")),
        ("diff", schema::<cdt_analysis::DiffReport>("diff")),
        ("entity", schema::<EntityJson<'_>>("entity")),
        ("export", schema::<ExportJson>("export")),
        ("finalize", schema::<FinalizeJson<'_>>("finalize")),
        ("focus", schema::<cdt_analysis::Focus>("focus")),
        ("health", schema::<cdt_analysis::Health>("health")),
        ("import", schema::<ImportJson>("import")),
        ("info", schema::<InfoJson<'_, ()>>("info")),
        ("query", schema::<QueryJson>("query")),
        ("recover", schema::<RecoverJson>("recover")),
        ("tables", schema::<TablesJson<'_>>("query")),
        ("tick", schema::<TickJson<'_>>("tick")),
    ];
    let rewrite = std::env::var_os("CDT_CODEGEN").is_some();
    for (name, generated) in &all {
        let path = folder.join(format!("{name}.json"));
        if rewrite {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, generated).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == *generated, "docs/schemas/{name}.json has drifted; run `cargo xtask codegen`");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), all.len(), "docs/schemas has a stray file");
}
