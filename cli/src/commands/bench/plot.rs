//! A benchmark's figures as a picture: horizontal bars in groups, as SVG that reads on light and on dark pages.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::exit::Failure;

/// Where the picture goes.
#[derive(Debug, Args)]
pub(crate) struct PlotArgs {
    /// Also draw the figures: an SVG file
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

impl PlotArgs {
    /// Writes the picture, if one is wanted.
    pub(crate) fn write(&self, charts: &[Chart]) -> Result<(), Failure> {
        let Some(file) = &self.plot else { return Ok(()) };
        std::fs::write(file, svg(charts))
            .map_err(|error| Failure::failed(format!("{} can't be written: {error}", file.display())))
    }

    /// Tells before hours of measuring that the file could not be written.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let folder = self.plot.as_deref().and_then(Path::parent);
        match folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
            Some(folder) => Err(Failure::usage(format!("--plot: there is no folder {}", folder.display()))),
            None => Ok(()),
        }
    }
}

/// How lengths stand for values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    /// By powers of ten, for values of many sizes.
    Logarithmic,
}

/// Bars in groups.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) scale: Scale,
    /// What each bar of a group stands for.
    pub(crate) series: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

/// One group of bars.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// One for each series; none where nothing was measured.
    pub(crate) values: Vec<Option<f64>>,
}

const WIDTH: f64 = 760.0;
/// Names stand to the left of this.
const LEFT: f64 = 300.0;
/// Room for figures to the right of the longest bar.
const RIGHT: f64 = 80.0;
const BAR: f64 = 14.0;
const GAP: f64 = 10.0;
const HEAD: f64 = 52.0;

/// Colours that are told apart by people who see few colours, too (Okabe and Ito).
const COLOURS: [&str; 5] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"];

fn svg(charts: &[Chart]) -> String {
    let height: f64 = charts.iter().map(height).sum();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<style>text {{ fill: #1f2328 }} line {{ stroke: #8b949e }} .page {{ fill: #ffffff }}\n\
         @media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .page {{ fill: #0d1117 }} }}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n"
    );
    let mut top = 0.0;
    for chart in charts {
        draw(chart, top, &mut text);
        top += self::height(chart);
    }
    text.push_str("</svg>\n");
    text
}

fn height(chart: &Chart) -> f64 {
    let bars: usize = chart.groups.iter().map(|group| group.values.len()).sum();
    HEAD + bars as f64 * BAR + chart.groups.len() as f64 * GAP + GAP
}

fn draw(chart: &Chart, top: f64, text: &mut String) {
    let all = || chart.groups.iter().flat_map(|group| group.values.iter().flatten().copied());
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let length = |value: f64| {
        let share = match chart.scale {
            Scale::Linear => value / most,
            // From the power of ten below the smallest.
            Scale::Logarithmic => {
                let from = least.max(0.001).log10().floor();
                (value.max(0.001).log10() - from) / (most.max(0.001).log10() - from)
            }
        };
        if share.is_finite() { share.clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT) } else { 0.0 }
    };
    let mut say = |x: f64, y: f64, more: &str, words: &str| {
        writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\"{more}>{}</text>", escaped(words))
            .expect("a String takes everything");
    };
    let by_powers = if chart.scale == Scale::Logarithmic { " (bars by powers of ten)" } else { "" };
    say(8.0, top + 20.0, " font-weight=\"bold\"", &format!("{}{by_powers}", chart.title));
    let mut x = LEFT;
    let mut shapes = String::new();
    let mut bar = |x: f64, y: f64, width: f64, number: usize| {
        let colour = COLOURS[number % COLOURS.len()];
        let (high, width) = (BAR - 3.0, width.max(1.0));
        writeln!(shapes, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{high}\" fill=\"{colour}\"/>")
            .expect("a String takes everything");
    };
    for (number, name) in chart.series.iter().enumerate() {
        bar(x, top + 30.0, 11.0, number);
        say(x + 16.0, top + 40.0, "", name);
        x += 30.0 + 7.0 * name.chars().count() as f64;
    }
    let mut y = top + HEAD;
    for group in &chart.groups {
        say(LEFT - 8.0, y + BAR - 4.0, " text-anchor=\"end\"", &group.name);
        for (number, value) in group.values.iter().enumerate() {
            match value {
                Some(value) => {
                    bar(LEFT, y, length(*value), number);
                    say(LEFT + length(*value).max(1.0) + 5.0, y + BAR - 4.0, "", &figure(*value));
                }
                None => say(LEFT + 5.0, y + BAR - 4.0, "", "never"),
            }
            y += BAR;
        }
        y += GAP;
    }
    text.push_str(&shapes);
    writeln!(text, "<line x1=\"{LEFT}\" y1=\"{:.1}\" x2=\"{LEFT}\" y2=\"{:.1}\"/>", top + HEAD - 4.0, y - GAP)
        .expect("a String takes everything");
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 => crate::format::count(value.round() as u64),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, values: &[Option<f64>]) -> String {
        let groups = values.iter().map(|value| Group { name: "a < b".to_owned(), values: vec![*value] }).collect();
        svg(&[Chart { title: "t".to_owned(), scale, series: vec!["s".to_owned()], groups }])
    }

    fn widths(svg: &str) -> Vec<f64> {
        let bars = svg.lines().filter(|line| line.starts_with("<rect x=\"300.0\"")).skip(1);
        bars.map(|line| {
            line.split("width=\"").nth(1).and_then(|rest| rest.split('"').next()).and_then(|width| width.parse().ok())
        })
        .map(|width| width.expect("a width"))
        .collect()
    }

    #[test]
    fn lengths_follow_the_values() {
        assert_eq!(widths(&chart(Scale::Linear, &[Some(50.0), Some(100.0)])), [190.0, 380.0]);
        let widths = widths(&chart(Scale::Logarithmic, &[Some(1.0), Some(10.0), Some(100.0)]));
        assert_eq!(widths, [1.0, 190.0, 380.0]);
    }

    #[test]
    fn what_was_never_measured_has_no_bar_and_nothing_breaks_the_picture() {
        let drawn = chart(Scale::Linear, &[None, Some(0.0)]);
        assert!(drawn.contains(">never<") && drawn.contains("a &lt; b") && !drawn.contains("NaN"), "{drawn}");
        assert_eq!(widths(&drawn).len(), 1);
    }
}
