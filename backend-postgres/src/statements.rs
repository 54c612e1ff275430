//! The statements of one schema: one per call, each one function of `sql/`.

use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::schema::LAYOUT;

/// A statement with its schema filled in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Statement(Arc<str>);

impl Statement {
    /// `text` with `docket.` replaced by this schema; its name was checked to be a simple
    /// identifier. `{US}` is the docket, its first argument, and the layout of this build: see
    /// `sql/time.sql`. A statement that only reads goes without.
    pub(crate) fn new(text: &str, schema: &str) -> Self {
        let us = format!("docket.spoken($1,{LAYOUT})");
        Self(in_schema(&text.replace("{US}", &us), schema).into())
    }

    pub(crate) fn sql(&self) -> AssertSqlSafe<Arc<str>> {
        AssertSqlSafe(self.0.clone())
    }
}

/// Replaces `docket.` by the schema's name, in code and in literals that are cast to a name.
pub(crate) fn in_schema(text: &str, schema: &str) -> String {
    let mut parts = text.split("docket.");
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_word = written.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if is_word {
            written.push_str("docket.");
        } else {
            written.extend(["\"", schema, "\"."]);
        }
        written.push_str(part);
    }
    written
}

/// Every statement.
#[derive(Debug)]
pub(crate) struct Statements {
    pub(crate) add: Statement,
    pub(crate) schedule: Statement,
    pub(crate) lease: Statement,
    pub(crate) forget: Statement,
    pub(crate) heartbeat: Statement,
    pub(crate) ack: Statement,
    pub(crate) complete: Statement,
    pub(crate) cancel: Statement,
    pub(crate) requeue: Statement,
    pub(crate) clear: Statement,
    pub(crate) join: Statement,
    pub(crate) layout: Statement,
    pub(crate) get: Statement,
    pub(crate) list: Statement,
    pub(crate) counts: Statement,
    pub(crate) workers: Statement,
    pub(crate) audit: Statement,
    pub(crate) take_out: Statement,
    pub(crate) take_in: Statement,
    pub(crate) let_go: Statement,
    pub(crate) put_back: Statement,
    pub(crate) settle_clock: Statement,
    #[cfg(feature = "testing")]
    pub(crate) set_clock: Statement,
}

/// A lease request as one value; its sixteen parameters start at this number.
macro_rules! ask {
    ($($n:literal)*) => { concat!("ROW(", ask!(@ $($n)*), ")::docket.ask") };
    (@ $first:literal $($n:literal)*) => { concat!("$", $first $(, ",$", $n)*) };
}

impl Statements {
    pub(crate) fn new(schema: &str) -> Self {
        let statement = |text| Statement::new(text, schema);
        Self {
            add: statement("SELECT docket.add({US},$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)"),
            schedule: statement("SELECT docket.schedule({US},$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)"),
            lease: statement(concat!(
                "SELECT * FROM docket.lease({US},",
                ask!(2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17),
                ")"
            )),
            forget: statement("SELECT docket.forget({US},$2)"),
            heartbeat: statement("SELECT docket.heartbeat({US},$2,$3,$4,$5,$6,$7,$8)"),
            ack: statement("SELECT * FROM docket.ack({US},$2,$3,$4,$5,$6,$7,$8,$9,$10)"),
            complete: statement("SELECT docket.complete({US},$2,$3,$4,$5,$6,$7,$8,$9,$10)"),
            cancel: statement("SELECT docket.cancel({US},$2,$3)"),
            requeue: statement("SELECT docket.requeue({US},$2,$3)"),
            clear: statement("SELECT docket.clear({US},$2)"),
            join: statement("SELECT docket.join({US},$2)"),
            layout: statement(
                "SELECT (SELECT coalesce(max(version), 0) FROM docket.migration), \
                 (SELECT layout FROM docket.meta WHERE name = $1)",
            ),
            get: statement("SELECT * FROM docket.get($1,$2)"),
            list: statement(
                "SELECT p.moment - p.ahead AS now, p.clock_offset, p.clock_steps, p.last, v.* \
                 FROM docket.page($1,$2,$3,$4,$5,$6,$7,$8) p \
                 LEFT JOIN LATERAL docket.view(p.id, p.moment, p.ahead, p.keys) v ON true ORDER BY v.key",
            ),
            counts: statement("SELECT * FROM docket.counts($1)"),
            workers: statement("SELECT * FROM docket.workers($1)"),
            audit: statement("SELECT * FROM docket.audit($1)"),
            take_out: statement("SELECT * FROM docket.take_out({US},$2,$3,$4,$5)"),
            take_in: statement(
                "SELECT docket.take_in({US},$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19,$20)",
            ),
            let_go: statement("SELECT docket.let_go({US},$2,$3)"),
            put_back: statement("SELECT docket.put_back({US},$2,$3)"),
            settle_clock: statement("SELECT docket.settle_clock({US})"),
            #[cfg(feature = "testing")]
            set_clock: statement("SELECT docket.set_clock({US},$2)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_put_where_it_belongs_and_nowhere_else() {
        let text = "SELECT docket.add(x), 'docket.seq' FROM mydocket.add WHERE docket = 1";
        assert_eq!(in_schema(text, "s"), "SELECT \"s\".add(x), '\"s\".seq' FROM mydocket.add WHERE docket = 1");
    }
}
