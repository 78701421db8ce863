//! What a policy means for two layouts: which tables and columns are compared with which, and how.

use cdt_schema::columns::{calls, commands, events, rng, step};
use cdt_schema::{
    Channel, ChannelSet, ColumnType, Field, Layout, LayoutDifference, Path, Role, ScalarType, TableId, TableKind,
};
use wildmatch::WildMatch;

use crate::Error;
use crate::policy::{Action, Policy, Rule, Tolerance};
use crate::report::{Mask, Renamed, Within};

/// How two layouts are compared.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The channels that are compared.
    pub(crate) channels: ChannelSet,
    /// Their tables, in the reference's order, less those that are left out.
    pub(crate) tables: Vec<TableRules>,
    /// Whether every declared value is compared bit for bit, so that equal digests mean equal rows and other digests others.
    pub(crate) exact: bool,
    pub(crate) masks: Vec<Mask>,
    pub(crate) tolerances: Vec<Within>,
    pub(crate) renamed: Vec<Renamed>,
    /// Tables whose columns were matched by their names, because the layouts differ in them.
    mapped: Vec<(Channel, String)>,
    /// For each rule of the policy, whether a compared field that it names can have the tolerance; `None` before one did.
    fits: Vec<Option<bool>>,
}

/// How a table is compared.
#[derive(Clone, Debug)]
pub(crate) struct TableRules {
    pub(crate) channel: Channel,
    pub(crate) kind: TableKind,
    /// Its number in the reference's layout.
    pub(crate) left: TableId,
    /// Its number in the candidate's.
    pub(crate) right: TableId,
    /// Those that both have and that are not left out.
    pub(crate) columns: Vec<ColumnRules>,
}

/// How a column is compared.
#[derive(Clone, Debug)]
pub(crate) struct ColumnRules {
    /// Its number in the reference's table.
    pub(crate) left: usize,
    /// Its number in the candidate's.
    pub(crate) right: usize,
    /// Its name in the reference's table.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) rule: CellRule,
}

/// How the values of a column are compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CellRule {
    Exact,
    /// Of a member; a column that is left out stands in no table's rules.
    LeftOut,
    Within(Tolerance),
    /// A list of values: for each kind of row, how each member is compared.
    Members(Vec<Vec<CellRule>>),
}

/// A field that a rule can be about.
struct Named {
    name: String,
    column: usize,
    /// Which kind of row, and which member of its list.
    member: Option<(usize, usize)>,
    scalar_type: Option<ScalarType>,
}

impl CellRule {
    /// The rule for a member of the list of a kind of row.
    pub(crate) fn member(&self, kind: usize, member: usize) -> &CellRule {
        match self {
            CellRule::Members(kinds) => &kinds[kind][member],
            rule => rule,
        }
    }
}

impl Rules {
    /// What `policy` means for two layouts.
    ///
    /// # Errors
    /// A rule is about nothing that the two declare, or asks for what cannot be.
    pub(crate) fn new(left: &Layout, right: &Layout, policy: &Policy) -> Result<Rules, Error> {
        let declared: ChannelSet = left.channels().iter().chain(right.channels().iter()).collect();
        let channels = policy.only.as_ref().map_or(declared, |(only, _)| *only);
        let mut rules = Rules {
            channels,
            tables: Vec::new(),
            exact: true,
            masks: Vec::new(),
            tolerances: Vec::new(),
            renamed: Vec::new(),
            mapped: Vec::new(),
            fits: vec![None; policy.rules.len()],
        };
        if let Some((only, reason)) = &policy.only {
            let left_out = declared.iter().filter(|&channel| !only.contains(channel));
            let mask = |channel: Channel| Mask { what: channel.name().to_owned(), reason: reason.clone() };
            rules.masks.extend(left_out.map(mask));
        }
        let mut used = vec![false; policy.rules.len()];
        for (index, schema) in left.tables().iter().enumerate() {
            let id = TableId(index);
            let fields = fields(left, id, policy);
            let all_out = note_rules(policy, &own_name(left, id), &fields, &mut used);
            note_renames(policy, &fields, &mut used);
            if !channels.contains(schema.channel) {
                continue;
            }
            if let Some(reason) = all_out {
                rules.leave_out_table(schema.channel, own_name(left, id), reason);
            } else if let Some(other) = right.tables().iter().position(|table| table.name == schema.name) {
                rules.table(left, right, (id, TableId(other)), &fields, policy)?;
            }
        }
        for (index, schema) in right.tables().iter().enumerate() {
            let id = TableId(index);
            let all_out = note_rules(policy, &own_name(right, id), &fields(right, id, policy), &mut used);
            let known = left.tables().iter().any(|table| table.name == schema.name);
            if let Some(reason) = all_out.filter(|_| !known && channels.contains(schema.channel)) {
                rules.leave_out_table(schema.channel, own_name(right, id), reason);
            }
        }
        // A channel all of whose tables are left out is not compared, whoever declares it.
        let all_out = |layout: &Layout, channel| {
            let mut tables = layout.tables_of(channel);
            tables.all(|(id, _)| left_out(policy, &own_name(layout, id)))
        };
        let out = |channel: &Channel| all_out(left, *channel) && all_out(right, *channel);
        rules.channels = channels.iter().filter(|channel| !declared.contains(*channel) || !out(channel)).collect();
        if let Some((rule, _)) = policy.rules.iter().zip(&rules.fits).find(|(_, fits)| **fits == Some(false)) {
            let Action::Within(tolerance) = rule.action else { unreachable!("only tolerances fit or do not") };
            return Err(Error::policy(format!("{} is no number that {tolerance} can be asked of", rule.what)));
        }
        match policy.rules.iter().zip(&used).find(|(_, used)| !**used) {
            Some((rule, _)) if rule.is_rename() => Err(Error::policy(format!(
                "no field of the reference is called {:?}, which the candidate is to have under another name; a rename \
                 gives the whole name of one field, like state.score; `cdt info` lists the fields",
                rule.what
            ))),
            Some((rule, _)) => Err(Error::policy(format!(
                "the rule for {:?} is about nothing that the two traces declare; names are those of reports without \
                 brackets, like state.score or entities.creature.hp; `cdt info` lists the fields",
                rule.what
            ))),
            None => Ok(rules),
        }
    }

    /// Adds the rules of a table that both declare.
    fn table(
        &mut self,
        left: &Layout,
        right: &Layout,
        (id, other): (TableId, TableId),
        fields: &[Named],
        policy: &Policy,
    ) -> Result<(), Error> {
        let (schema, theirs) = (&left.tables()[id.0], &right.tables()[other.0]);
        let own = own_name(left, id);
        let mut table =
            TableRules { channel: schema.channel, kind: schema.kind, left: id, right: other, columns: Vec::new() };
        // The candidate's columns that are compared, and those that are left out with their partner.
        let (mut taken, mut left_out) = (vec![false; theirs.columns.len()], vec![false; theirs.columns.len()]);
        let mut all_matched = true;
        for (column, declared) in schema.columns.iter().enumerate() {
            let named = || fields.iter().filter(move |field| field.column == column);
            let is_key = column < schema.key_columns();
            let rule = self.column(&own, schema.kind, is_key, named(), policy)?;
            let renamed = renamed(policy, &own, &declared.name);
            renamed.as_ref().map_or(Ok(()), |renamed| check_rename(renamed, schema.kind, is_key))?;
            let name = renamed.as_ref().map_or(&declared.name, |renamed| &renamed.candidate);
            let found = theirs.columns.iter().position(|theirs| {
                theirs.name == *name && theirs.column_type == declared.column_type && theirs.role == declared.role
            });
            if let (Some(renamed), None) = (&renamed, found) {
                let rule =
                    format!("the candidate has no {own}.{} of the type of {}", renamed.candidate, renamed.reference);
                return Err(Error::policy(rule));
            }
            if rule == CellRule::LeftOut {
                found.into_iter().for_each(|found| left_out[found] = true);
                continue;
            }
            let Some(right) = found else {
                all_matched = false;
                continue;
            };
            if std::mem::replace(&mut taken[right], true) {
                let rule = format!("two fields of the reference would be compared with the candidate's {own}.{name}");
                return Err(Error::policy(rule));
            }
            self.exact &= renamed.is_none();
            self.renamed.extend(renamed);
            let name = declared.name.clone();
            table.columns.push(ColumnRules { left: column, right, name, role: declared.role, rule });
        }
        let is_paired = |number: &usize| taken[*number] || left_out[*number];
        for (_, declared) in theirs.columns.iter().enumerate().filter(|(number, _)| !is_paired(number)) {
            let name = format!("{own}.{}", declared.name);
            match leaving_out(policy, &name) {
                Some(reason) => self.mask(name, reason),
                // Equal layouts are no reason not to compare, so nothing else would tell.
                None if schema.columns == theirs.columns => {
                    let rule =
                        format!("the candidate's {name} would be compared with nothing; rename or leave out its field");
                    return Err(Error::policy(rule));
                }
                None => all_matched = false,
            }
        }
        // Otherwise the difference between the layouts is a reason not to compare.
        if all_matched && schema.columns != theirs.columns {
            self.mapped.push((schema.channel, own));
            self.exact = false;
        }
        self.tables.push(table);
        Ok(())
    }

    fn mask(&mut self, what: String, reason: String) {
        let mask = Mask { what, reason };
        if !self.masks.contains(&mask) {
            self.masks.push(mask);
        }
    }

    fn leave_out_table(&mut self, channel: Channel, own: String, reason: String) {
        self.mask(own.clone(), reason);
        self.mapped.push((channel, own));
        self.exact = false;
    }

    /// The rule for a column, whose fields are the column itself or the members of its lists.
    fn column<'a>(
        &mut self,
        own: &str,
        kind: TableKind,
        is_key: bool,
        fields: impl Iterator<Item = &'a Named> + Clone,
        policy: &Policy,
    ) -> Result<CellRule, Error> {
        let mut rule = CellRule::Exact;
        let mut members: Vec<Vec<CellRule>> = Vec::new();
        for field in fields {
            let found = self.field(own, kind, is_key, field, policy)?;
            match field.member {
                None if found == CellRule::LeftOut => {
                    self.exact = false;
                    return Ok(found);
                }
                None => rule = found,
                Some((row_kind, member)) => {
                    members.resize_with(members.len().max(row_kind + 1), Vec::new);
                    debug_assert_eq!(members[row_kind].len(), member, "members come in their order");
                    members[row_kind].push(found);
                }
            }
        }
        let of_members = members.iter().flatten().any(|member| *member != CellRule::Exact);
        if of_members && rule == CellRule::Exact {
            rule = CellRule::Members(members);
        }
        self.exact &= rule == CellRule::Exact;
        Ok(rule)
    }

    /// The rule for one field: leaving it out wins, then the last tolerance that is meant for it.
    fn field(
        &mut self,
        own: &str,
        kind: TableKind,
        is_key: bool,
        field: &Named,
        policy: &Policy,
    ) -> Result<CellRule, Error> {
        if let Some(reason) = leaving_out(policy, &field.name) {
            if is_key {
                let rule = format!("{} tells entities apart; leave out {own} or single fields of it", field.name);
                return Err(Error::policy(rule));
            }
            if kind == TableKind::Memory {
                let rule = format!("{} is part of what stands at an address; leave out all of {own}", field.name);
                return Err(Error::policy(rule));
            }
            self.mask(field.name.clone(), reason);
            return Ok(CellRule::LeftOut);
        }
        let mut within = None;
        for (number, rule) in policy.rules.iter().enumerate().filter(|(_, rule)| matches(&rule.what, &field.name)) {
            let Action::Within(tolerance) = &rule.action else { continue };
            if is_measure(kind, is_key, field, *tolerance) {
                self.fits[number] = Some(true);
                within = Some((*tolerance, rule.reason.clone()));
            } else {
                self.fits[number].get_or_insert(false);
            }
        }
        let Some((tolerance, reason)) = within else { return Ok(CellRule::Exact) };
        self.tolerances.push(Within { what: field.name.clone(), tolerance: tolerance.to_string(), reason });
        Ok(CellRule::Within(tolerance))
    }

    /// Whether a difference between the layouts is one that the policy maps away within its own channel.
    pub(crate) fn excuses(&self, difference: &LayoutDifference) -> bool {
        self.mapped.iter().any(|(channel, table)| {
            let rest = difference.what.strip_prefix(table.as_str());
            // Kinds of entities are tables of their own, and their names may have dots in them.
            let is_of_table =
                rest.is_some_and(|rest| rest.is_empty() || *channel != Channel::Entities && rest.starts_with('.'));
            difference.channel == Some(*channel) && is_of_table
        })
    }

    /// Whether every column of a table has its partner or is left out.
    pub(crate) fn maps_table(&self, left: &Layout, right: &Layout, name: &str) -> bool {
        let columns = |layout: &Layout| layout.tables().iter().find(|t| t.name == name).map(|t| t.columns.clone());
        columns(left) == columns(right) || self.mapped.iter().any(|(_, table)| table == name)
    }
}

/// A table's name as paths have it.
fn own_name(layout: &Layout, table: TableId) -> String {
    Path::table(layout, table).to_string()
}

/// Marks the rules that are about a table, and gives the reason when one leaves all of it out.
fn note_rules(policy: &Policy, own: &str, fields: &[Named], used: &mut [bool]) -> Option<String> {
    let mut reason = None;
    for (rule, used) in policy.rules.iter().zip(used).filter(|(rule, _)| !rule.is_rename()) {
        let whole = matches(&rule.what, own);
        if whole && rule.action == Action::LeaveOut {
            reason.get_or_insert_with(|| rule.reason.clone());
        }
        *used |= whole || fields.iter().any(|field| matches(&rule.what, &field.name));
    }
    reason
}

/// Marks the renames that are about a field of one of the reference's tables.
fn note_renames(policy: &Policy, fields: &[Named], used: &mut [bool]) {
    for (rule, used) in policy.rules.iter().zip(used).filter(|(rule, _)| rule.is_rename()) {
        *used |= fields.iter().any(|field| field.member.is_none() && field.name == rule.what);
    }
}

fn leaving_out(policy: &Policy, name: &str) -> Option<String> {
    let mut rules = policy.rules.iter().filter(|rule| rule.action == Action::LeaveOut);
    rules.find(|rule| matches(&rule.what, name)).map(|Rule { reason, .. }| reason.clone())
}

fn left_out(policy: &Policy, name: &str) -> bool {
    leaving_out(policy, name).is_some()
}

/// What the candidate calls a column of the table `own`, where a rule says so. Names may have dots in them.
fn renamed<'a>(policy: &'a Policy, own: &str, column: &str) -> Option<Renamed> {
    let of_table = |name: &'a str| name.strip_prefix(own).and_then(|rest| rest.strip_prefix('.'));
    policy.rules.iter().find_map(|rule| match &rule.action {
        Action::Rename(candidate) if of_table(&rule.what) == Some(column) => {
            let candidate = of_table(candidate).unwrap_or(candidate).to_owned();
            Some(Renamed { reference: rule.what.clone(), candidate, reason: rule.reason.clone() })
        }
        _ => None,
    })
}

/// Only a column that the layout names can have another name, and not one that the format does.
fn check_rename(Renamed { reference, .. }: &Renamed, kind: TableKind, is_key: bool) -> Result<(), Error> {
    let is_declared = matches!(kind, TableKind::State | TableKind::Entities(_) | TableKind::Checkpoint) && !is_key;
    let rule = "has the same name in every trace; only declared fields of state, entities and checkpoints can have \
                another one";
    if is_declared { Ok(()) } else { Err(Error::policy(format!("{reference} {rule}"))) }
}

/// Whether a rule is about a name: the name itself, or what it is part of.
fn matches(what: &str, name: &str) -> bool {
    WildMatch::new(what).matches(name) || WildMatch::new(&format!("{what}.*")).matches(name)
}

/// Everything of a table that a rule can be about; nothing where there are no rules, for names take time.
fn fields(layout: &Layout, table: TableId, policy: &Policy) -> Vec<Named> {
    if policy.rules.is_empty() {
        return Vec::new();
    }
    let own = Path::table(layout, table);
    let schema = &layout.tables()[table.0];
    let mut all = Vec::new();
    for (column, declared) in schema.columns.iter().enumerate() {
        let name = own.field(&declared.name);
        let scalar_type = match declared.column_type {
            ColumnType::Scalar(ty) => Some(ty),
            ColumnType::Values | ColumnType::Page => None,
        };
        all.push(Named { name: name.to_string(), column, member: None, scalar_type });
        for (row_kind, list) in lists(layout, schema.kind, column).into_iter().enumerate() {
            for (member, field) in list.into_iter().enumerate() {
                all.push(Named {
                    name: name.field(&field.name).to_string(),
                    column,
                    member: Some((row_kind, member)),
                    scalar_type: Some(field.scalar_type),
                });
            }
        }
    }
    all
}

/// The members of a column's lists, for each kind of row.
pub(crate) fn lists(layout: &Layout, kind: TableKind, column: usize) -> Vec<Vec<Field>> {
    match (kind, column) {
        (TableKind::Commands, commands::ARGS) => layout.command_kinds().iter().map(|kind| kind.args.clone()).collect(),
        (TableKind::Events, events::VALUES) => layout.event_kinds().iter().map(|kind| kind.values.clone()).collect(),
        (TableKind::Calls, calls::ARGS) => layout.syscalls().iter().map(|call| call.args.clone()).collect(),
        (TableKind::Calls, calls::RESULT) => {
            let result = |scalar_type| Field { name: "result".to_owned(), scalar_type };
            layout.syscalls().iter().map(|call| call.result.map(result).into_iter().collect()).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a field holds a measure of which a tolerance can be asked, rather than a name or a pattern of bits.
fn is_measure(kind: TableKind, is_key: bool, field: &Named, tolerance: Tolerance) -> bool {
    let Some(scalar_type) = field.scalar_type else { return false };
    let is_float = matches!(scalar_type, ScalarType::F32 | ScalarType::F64);
    let is_named = match kind {
        TableKind::Step => field.column == step::MODE,
        TableKind::Inputs => !is_float,
        TableKind::Commands => field.member.is_none(),
        TableKind::Rng => field.column != rng::VALUE,
        TableKind::Calls | TableKind::Events => field.member.is_none(),
        TableKind::Memory => true,
        TableKind::Timing => field.column == cdt_schema::columns::timing::STAGE,
        // Digests and states of generators are patterns of bits.
        TableKind::Checkpoint => !["fuel", "entity_counts.", "counters."].iter().any(|part| field.name.contains(part)),
        TableKind::State | TableKind::Entities(_) => is_key,
    };
    match tolerance {
        Tolerance::Ulp(_) => is_float && !is_named,
        Tolerance::Absolute(_) | Tolerance::Relative(_) => scalar_type != ScalarType::Bool && !is_named,
    }
}
