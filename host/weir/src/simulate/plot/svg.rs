//! SVG, as much of it as is drawn with here.

use std::fmt::Write as _;

/// A drawing.
pub(super) struct Svg {
    width: f64,
    body: String,
}

impl Svg {
    pub(super) fn new(width: f64) -> Self {
        Self { width, body: String::new() }
    }

    pub(super) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, fill: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"{fill}\"/>"
        ));
    }

    pub(super) fn frame(&mut self, x: f64, y: f64, width: f64, height: f64, stroke: &str) {
        self.put(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
             fill=\"none\" stroke=\"{stroke}\"/>"
        ));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str, style: &str) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.put(format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" \
             stroke=\"{stroke}\" style=\"{style}\"/>"
        ));
    }

    /// Joins the points.
    pub(super) fn path(&mut self, points: &[(f64, f64)], stroke: &str, style: &str) {
        if points.is_empty() {
            return;
        }
        let joined: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.put(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"1.6\" \
             stroke-linejoin=\"round\" style=\"{style}\"/>",
            joined.join(" ")
        ));
    }

    /// A text that begins at `x`.
    pub(super) fn text(&mut self, x: f64, y: f64, text: &str, style: &str, fill: &str) {
        self.text_at((x, y), "start", text, style, fill);
    }

    /// A title, and what is to be said of it.
    pub(super) fn heading(
        &mut self,
        x: f64,
        y: f64,
        (title, ink): (&str, &str),
        (remark, faint): (&str, &str),
    ) {
        let (title, remark) = (escape(title), escape(remark));
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" fill=\"{ink}\">\
             <tspan style=\"font-size:13px;font-weight:600\">{title}</tspan>\
             <tspan dx=\"8\" style=\"font-size:11px\" fill=\"{faint}\">{remark}</tspan></text>"
        ));
    }

    /// A text that ends at `x`.
    pub(super) fn text_end(&mut self, x: f64, y: f64, text: &str, style: &str, fill: &str) {
        self.text_at((x, y), "end", text, style, fill);
    }

    /// A text around `x`.
    pub(super) fn text_middle(&mut self, x: f64, y: f64, text: &str, style: &str, fill: &str) {
        self.text_at((x, y), "middle", text, style, fill);
    }

    /// A number in a filled circle.
    pub(super) fn badge(&mut self, x: f64, y: f64, text: &str, fill: &str) {
        self.put(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"8\" fill=\"{fill}\"/>"));
        self.text_middle(x, y + 3.5, text, "font-size:10px;font-weight:600", "#ffffff");
    }

    /// The whole, so high.
    pub(super) fn finish(self, height: f64) -> String {
        let width = self.width;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn text_at(&mut self, (x, y): (f64, f64), anchor: &str, text: &str, style: &str, fill: &str) {
        let text = escape(text);
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{fill}\" \
             style=\"{style}\">{text}</text>"
        ));
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string never fails.
        let _ = writeln!(self.body, "{element}");
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
