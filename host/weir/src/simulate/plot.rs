//! The timeline drawn for people, as SVG: a panel for each quantity over the same time, and
//! what happened marked across all of them.

mod axis;
mod data;
mod svg;

use self::{
    axis::{Axis, Scale},
    data::{Band, Data, Mark, Quantity, Series, Shape},
    svg::Svg,
};
use super::timeline::Entry;

/// In pixels, as all that follows.
const WIDTH: f64 = 1200.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 180.0;
const TOP: f64 = 104.0;
const PANEL: f64 = 150.0;
const BETWEEN: f64 = 44.0;
const BAND: f64 = 14.0;
const LINE: f64 = 18.0;

/// Colours that people with any kind of colour blindness can tell apart (Okabe and Ito).
const COLORS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#5f5f5f"];
const INK: &str = "#2b2f36";
const FAINT: &str = "#6b7280";
const GRID: &str = "#e8eaee";
const FRAME: &str = "#c3c8d0";
const TROUBLE: &str = "#c62828";
const UP: &str = "#66bb6a";
const DOWN: &str = "#e57373";
const UNKNOWN: &str = "#d5d9df";

/// Draws `entries`, with `title` above them.
pub(crate) fn plot(title: &str, entries: &[Entry]) -> String {
    let data = Data::of(entries);
    let time = Scale::new((0.0, data.end.max(1e-9)), (LEFT, WIDTH - RIGHT));
    let mut svg = Svg::new(WIDTH);
    let mut y = TOP;
    if !data.bands.is_empty() {
        y = draw_bands(&mut svg, &data.bands, time, y);
    }
    for quantity in &data.quantities {
        y = draw_panel(&mut svg, quantity, time, y);
    }
    let bottom = y - BETWEEN;
    draw_time(&mut svg, time, bottom);
    let labels = draw_marks(&mut svg, &data.marks, time, bottom);
    let y = draw_labels(&mut svg, &labels, bottom + 44.0);
    svg.text(LEFT, 34.0, title, "font-size:20px;font-weight:600", INK);
    svg.text(LEFT, 54.0, &data.summary, "font-size:12px", FAINT);
    svg.finish(y + 12.0)
}

/// What checks say: a band for each server.
fn draw_bands(svg: &mut Svg, bands: &[Band], time: Scale, top: f64) -> f64 {
    svg.heading(LEFT, top - 8.0, ("health", INK), ("", FAINT));
    let mut y = top;
    for band in bands {
        for (from, to, status) in &band.spans {
            let color = match *status {
                "up" => UP,
                "down" => DOWN,
                _ => UNKNOWN,
            };
            let (from, to) = (time.at(*from), time.at(*to));
            svg.rect(from, y, (to - from).max(0.5), BAND - 4.0, color);
        }
        svg.text_end(LEFT - 8.0, y + 9.0, &band.name, "font-size:11px", INK);
        y += BAND;
    }
    let x = WIDTH - RIGHT + 16.0;
    for (row, (color, word)) in (0_u8..).zip([(UP, "up"), (DOWN, "down"), (UNKNOWN, "unknown")]) {
        let y = top + f64::from(row) * LINE;
        svg.rect(x, y, 14.0, 10.0, color);
        svg.text(x + 20.0, y + 9.0, word, "font-size:12px", INK);
    }
    y.max(top + 3.0 * LINE) + BETWEEN - 6.0
}

fn draw_panel(svg: &mut Svg, quantity: &Quantity, time: Scale, top: f64) -> f64 {
    let bottom = top + PANEL;
    let axis = Axis::up_to(quantity.most());
    let value = Scale::new((0.0, axis.most), (bottom, top));
    for tick in &axis.ticks {
        let y = value.at(*tick);
        svg.line((time.from(), y), (time.to(), y), GRID, "");
        svg.text_end(LEFT - 8.0, y + 4.0, &axis.show(*tick), "font-size:11px", FAINT);
    }
    for (tick, _) in axis::times(time) {
        svg.line((time.at(tick), top), (time.at(tick), bottom), GRID, "");
    }
    svg.heading(LEFT, top - 8.0, (quantity.title, INK), (quantity.unit, FAINT));
    for (index, series) in quantity.series.iter().enumerate() {
        let aside = match quantity.shape {
            Shape::Steps => beside(index, quantity.series.len()),
            Shape::Lines => 0.0,
        };
        draw_series(svg, series, quantity.shape, (time, value), aside);
    }
    svg.frame(time.from(), top, time.to() - time.from(), PANEL, FRAME);
    let x = WIDTH - RIGHT + 16.0;
    for (row, series) in (0_u8..).zip(quantity.series.iter().take(LEGEND_ROWS)) {
        let y = top + 8.0 + f64::from(row) * LINE;
        let (color, dash) = style(series);
        svg.line((x, y), (x + 14.0, y), color, &format!("stroke-width:3;{dash}"));
        svg.text(x + 20.0, y + 4.0, &series.name, "font-size:12px", INK);
    }
    bottom + BETWEEN
}

/// Names that fit beside a panel.
const LEGEND_ROWS: usize = 8;

/// How far a line is moved, so that those of the same value stand beside each other.
fn beside(index: usize, of: usize) -> f64 {
    let place = |it: usize| f64::from(u32::try_from(it).unwrap_or(0));
    (place(index) - place(of - 1) / 2.0) * if of <= COLORS.len() { 1.7 } else { 0.5 }
}

fn draw_series(
    svg: &mut Svg,
    series: &Series,
    shape: Shape,
    (time, value): (Scale, Scale),
    aside: f64,
) {
    let mut points: Vec<(f64, f64)> = Vec::with_capacity(series.points.len());
    for (at, number) in &series.points {
        let (x, y) = (time.at(*at), value.at(*number) + aside);
        if shape == Shape::Steps
            && let Some((_, before)) = points.last().copied()
            && (before - y).abs() > 1e-6
        {
            points.push((x, before));
        }
        points.push((x, y));
    }
    let (color, dash) = style(series);
    svg.path(&points, color, dash);
}

/// A series' colour, and its dashes where colours begin again.
fn style(series: &Series) -> (&'static str, &'static str) {
    let dash = match series.number / COLORS.len() {
        0 => "",
        1 => "stroke-dasharray:6 3",
        _ => "stroke-dasharray:2 3",
    };
    (COLORS[series.number % COLORS.len()], dash)
}

fn draw_time(svg: &mut Svg, time: Scale, bottom: f64) {
    for (tick, label) in axis::times(time) {
        let x = time.at(tick);
        svg.line((x, bottom), (x, bottom + 5.0), FRAME, "");
        svg.text_middle(x, bottom + 20.0, &label, "font-size:11px", FAINT);
    }
}

/// Marks closer than this share one.
const APART: f64 = 18.0;

/// Draws what happened across all panels, numbered; the labels of the numbers.
fn draw_marks(svg: &mut Svg, marks: &[Mark], time: Scale, bottom: f64) -> Vec<(String, Mark)> {
    let mut labels = Vec::new();
    let mut groups: Vec<(f64, Vec<usize>)> = Vec::new();
    for (index, mark) in marks.iter().enumerate() {
        let x = time.at(mark.at);
        let color = if mark.is_trouble { TROUBLE } else { FAINT };
        svg.line((x, TOP - 22.0), (x, bottom), color, "stroke-dasharray:3 3;opacity:0.55");
        match groups.last_mut().filter(|it| x - it.0 < APART) {
            Some((_, group)) => group.push(index),
            None => groups.push((x, vec![index])),
        }
    }
    for (number, (x, group)) in (1..).zip(groups) {
        let number: u32 = number;
        let is_trouble = group.iter().any(|it| marks[*it].is_trouble);
        svg.badge(x, TOP - 30.0, &number.to_string(), if is_trouble { TROUBLE } else { FAINT });
        labels.extend(group.into_iter().map(|it| (number.to_string(), marks[it].clone())));
    }
    labels
}

/// Rows of labels in a column.
const LABEL_COLUMN: f64 = 380.0;

/// Labels that a reader still reads; the timeline has all.
const LABELS: usize = 60;

/// Writes what the numbers mean, in three columns.
fn draw_labels(svg: &mut Svg, labels: &[(String, Mark)], top: f64) -> f64 {
    let left_out = labels.len().saturating_sub(LABELS);
    let labels = &labels[..labels.len() - left_out];
    let rows = labels.len().div_ceil(3).max(1);
    for (index, (number, mark)) in labels.iter().enumerate() {
        let place = |it: usize| f64::from(u32::try_from(it).unwrap_or(u32::MAX));
        let x = LEFT + place(index / rows) * LABEL_COLUMN;
        let y = top + 12.0 + place(index % rows) * LINE;
        let color = if mark.is_trouble { TROUBLE } else { FAINT };
        svg.badge(x + 6.0, y - 4.0, number, color);
        svg.text_end(x + 78.0, y, &axis::show_time(mark.at), "font-size:11px", FAINT);
        svg.text(x + 86.0, y, &mark.what, "font-size:12px", INK);
    }
    let bottom = top + f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) * LINE + 12.0;
    if left_out == 0 {
        return bottom;
    }
    let more = format!("and {left_out} more, which the timeline has");
    svg.text(LEFT, bottom, &more, "font-size:12px", FAINT);
    bottom + LINE
}
