//! One page that shows what a run can do: scores, distributions, failures, comparisons, pictures.
//!
//! Rendering is a pure function of [`Report`]: the HTML stands alone, without a script and without a request to anywhere.

pub mod chart;

use minijinja::{Environment, context};
use serde::Serialize;

/// Everything that the page shows, already in words and numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// The heading.
    pub title: String,
    /// Below it: what was run.
    pub subtitle: String,
    /// The columns of the tables, in order.
    pub columns: Vec<Column>,
    /// The main numbers of all benchmarks.
    pub summary: Vec<SummaryRow>,
    /// One for each benchmark.
    pub tables: Vec<TaskTable>,
    /// The training loss as SVG.
    pub loss: Option<String>,
    /// How often the named thing was chosen.
    pub named_choice: Vec<NamedChoiceRow>,
    /// Answers over frames.
    pub pictures: Vec<Picture>,
    /// Runs compared record by record.
    pub comparisons: Vec<Comparison>,
    /// How the numbers came about.
    pub notes: Vec<String>,
}

/// A run or a baseline.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it is.
    pub title: String,
}

/// One main number of a benchmark.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SummaryRow {
    /// The benchmark's name for people.
    pub benchmark: String,
    /// The number.
    pub row: Row,
}

/// One benchmark's numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TaskTable {
    /// The benchmark's name for people.
    pub title: String,
    /// What the task asks, in a few words.
    pub task: String,
    /// Records in it.
    pub records: usize,
    /// One for each metric.
    pub rows: Vec<Row>,
    /// How the records ended in each run.
    pub outcomes: Vec<OutcomeRow>,
    /// The distribution of the main number as SVG.
    pub histogram: Option<String>,
    /// Numbers of the paper, in words, where the benchmark has them.
    pub published: Option<String>,
}

/// One metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub metric: String,
    /// Whether it leads its group.
    pub main: bool,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// One number.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// The number; a dash where there is none.
    pub text: String,
    /// Its interval, `low – high`.
    pub interval: String,
    /// 0 to 100: the length of the bar behind it.
    pub bar: f64,
    /// The highest of its row.
    pub best: bool,
}

/// How a run's records ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OutcomeRow {
    /// The run.
    pub name: String,
    /// In words: `97 scored, 3 no box`.
    pub text: String,
}

/// How often a run chose the named thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NamedChoiceRow {
    /// The run.
    pub name: String,
    /// Percent.
    pub chosen: String,
    /// Its interval.
    pub interval: String,
    /// Percent that choosing blindly would have.
    pub chance: String,
    /// Mean IoU with the best of any thing.
    pub best_iou: String,
}

/// An answer drawn over frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Picture {
    /// Best, middle, worst.
    pub label: String,
    /// The task.
    pub task: String,
    /// The question.
    pub question: String,
    /// The answer in words.
    pub answer: String,
    /// Its score in words.
    pub score: String,
    /// `data:image/jpeg;base64,…`.
    pub uri: String,
    /// Whether it needs the page's whole width.
    pub wide: bool,
}

/// Two runs on the same records.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// The benchmark.
    pub benchmark: String,
    /// The metric.
    pub metric: String,
    /// The first run.
    pub first: String,
    /// The second run.
    pub second: String,
    /// Second minus first.
    pub difference: String,
    /// Its interval.
    pub interval: String,
    /// p-value in words.
    pub p_value: String,
    /// Records better, equal and worse in the second.
    pub counts: String,
    /// The interval leaves 0 out.
    pub significant: bool,
}

/// Why a report cannot be rendered.
#[derive(Debug, thiserror::Error)]
#[error("the report's template")]
pub struct ReportError(#[from] minijinja::Error);

/// The page as HTML.
///
/// # Errors
/// When the template does not fit the data, which is this crate's fault.
pub fn render_html(report: &Report) -> Result<String, ReportError> {
    render("report.html", include_str!("template.html"), report)
}

/// The tables as Markdown.
///
/// # Errors
/// When the template does not fit the data, which is this crate's fault.
pub fn render_markdown(report: &Report) -> Result<String, ReportError> {
    render("report.md", include_str!("template.md"), report)
}

fn render(name: &str, template: &str, report: &Report) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    Ok(environment.render_named_str(name, template, context! { report })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Report {
        let cell = |text: &str, best| Cell {
            text: text.into(),
            interval: "0.1 – 0.3".into(),
            bar: 20.0,
            best,
        };
        Report {
            title: "Tiny <run>".into(),
            subtitle: "two columns".into(),
            columns: ["constant", "trained"]
                .map(|name| Column {
                    name: name.into(),
                    title: name.into(),
                })
                .into(),
            tables: vec![TaskTable {
                title: "RefCOCO val".into(),
                task: "rec".into(),
                records: 7,
                rows: vec![Row {
                    metric: "miou".into(),
                    main: true,
                    cells: vec![cell("0.1", false), cell("0.2", true)],
                }],
                outcomes: vec![OutcomeRow {
                    name: "trained".into(),
                    text: "7 scored".into(),
                }],
                histogram: Some("<svg></svg>".into()),
                published: None,
            }],
            pictures: vec![Picture {
                question: "Where is <b>?".into(),
                uri: "data:image/jpeg;base64,AA==".into(),
                ..Picture::default()
            }],
            ..Report::default()
        }
    }

    #[test]
    fn html_escapes_text_keeps_charts_and_asks_nobody() {
        let html = render_html(&sample()).unwrap();
        assert!(
            html.contains("Tiny &lt;run&gt;")
                && html.contains("Where is &lt;b&gt;?")
                && html.contains("<svg></svg>")
        );
        assert!(
            !html.contains("http://") && !html.contains("https://") && !html.contains("<script")
        );
    }

    #[test]
    fn markdown_has_a_table() {
        let text = render_markdown(&sample()).unwrap();
        assert!(
            text.contains("| miou | 0.1 (0.1 – 0.3) | **0.2** (0.1 – 0.3) |"),
            "{text}"
        );
    }
}
