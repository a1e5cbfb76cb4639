//! Finds usage in a stream of JSON documents, without keeping the documents.
//!
//! It follows strings and the depth of objects. Lines of server-sent events begin a document with
//! `data:`; their other lines are skipped. A raw line break ends a string, because JSON has none in
//! strings, so that a document that was cut does not hide the next one.

/// How many bytes of a string are kept. Names are shorter.
const MAX_NAME: usize = 32;

/// Where a usage was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the document, or in its `response`.
    Top,
    /// In the `message` of the document.
    InMessage,
}

/// The numbers of one usage, as far as it has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tokens {
    pub(super) total: Option<u64>,
    input: Option<u64>,
    cache_creation: Option<u64>,
    cache_read: Option<u64>,
    output: Option<u64>,
}

impl Tokens {
    /// Tokens of the input, with those of caches that are counted beside it.
    pub(super) fn input(&self) -> u64 {
        let parts = [self.input, self.cache_creation, self.cache_read];
        let parts = parts.into_iter().flatten();
        parts.fold(0, u64::saturating_add)
    }

    pub(super) fn output(&self) -> u64 {
        self.output.unwrap_or(0)
    }

    /// Whether it has tokens of the input or of the output.
    pub(super) fn is_known(&self) -> bool {
        self.input.is_some() || self.output.is_some()
    }

    /// Takes over the numbers that `later` has.
    pub(super) fn update(&mut self, later: &Self) {
        self.total = later.total.or(self.total);
        self.input = later.input.or(self.input);
        self.cache_creation = later.cache_creation.or(self.cache_creation);
        self.cache_read = later.cache_read.or(self.cache_read);
        self.output = later.output.or(self.output);
    }

    fn set(&mut self, name: &[u8], number: u64) {
        let field = match name {
            b"total_tokens" => &mut self.total,
            b"prompt_tokens" | b"input_tokens" => &mut self.input,
            b"cache_creation_input_tokens" => &mut self.cache_creation,
            b"cache_read_input_tokens" => &mut self.cache_read,
            b"completion_tokens" | b"output_tokens" => &mut self.output,
            _ => return,
        };
        *field = Some(number);
    }
}

/// The last string, if it is short and has no escapes: it may be a name.
#[derive(Clone, Copy, Debug, Default)]
struct Name {
    bytes: [u8; MAX_NAME],
    /// More than [`MAX_NAME`] for a string that is no name.
    len: usize,
}

impl Name {
    fn push(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        if let Some(place) = self.bytes.get_mut(self.len..end) {
            place.copy_from_slice(bytes);
            self.len = end;
        } else {
            self.invalidate();
        }
    }

    fn invalidate(&mut self) {
        self.len = MAX_NAME + 1;
    }

    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// At the start of a line, of which this many bytes are those of `data:`.
    LineStart(usize),
    /// Skipping a line that is no document.
    SkipLine,
    /// Between the tokens of a document.
    Outside,
    InString,
    AfterBackslash,
    #[default]
    Start,
}

const DATA: &[u8] = b"data:";

/// Reads a response as it passes.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    state: State,
    /// The number of objects and arrays around the current place.
    depth: usize,
    /// The last string.
    name: Name,
    /// Whether a colon came after the last string: it is the name of the next value.
    is_named: bool,
    /// A number that is being read, if it is a whole one.
    number: Option<u64>,
    /// Where an object at depth 2 is: the name that it has in the document.
    parent: Option<Place>,
    /// The usage that is being read: its place, its depth and its numbers.
    usage: Option<(Place, usize, Tokens)>,
}

impl Scanner {
    /// Reads the next bytes, and calls `found` for each usage that has ended.
    pub(super) fn scan(&mut self, data: &[u8], mut found: impl FnMut(Place, &Tokens)) {
        let mut rest = data;
        while let Some((&byte, after)) = rest.split_first() {
            match self.state {
                State::Start | State::LineStart(_) => {
                    if self.start_line(byte) {
                        rest = after;
                    }
                }
                State::SkipLine => rest = self.skip(rest),
                State::InString => rest = self.read_string(rest),
                State::AfterBackslash => {
                    self.state = State::InString;
                    rest = after;
                }
                State::Outside => {
                    self.read(byte, &mut found);
                    rest = after;
                }
            }
        }
    }

    /// Looks at a byte at the start of a line. Returns whether it is done with it.
    fn start_line(&mut self, byte: u8) -> bool {
        let seen = match self.state {
            State::LineStart(seen) => seen,
            _ => 0,
        };
        if DATA.get(seen) == Some(&byte) {
            let is_whole = seen + 1 == DATA.len();
            if is_whole {
                self.restart();
            }
            self.state = match is_whole {
                true => State::Outside,
                false => State::LineStart(seen + 1),
            };
            return true;
        }
        // `event`, `id`, `retry` and comments. A document has no letter or colon at the start of a
        // line, except for the words `true`, `false` and `null`, which are skipped.
        let is_field = seen > 0 || byte == b':' || byte.is_ascii_alphabetic();
        self.state = match is_field {
            true => State::SkipLine,
            false => State::Outside,
        };
        false
    }

    /// Begins a new document.
    fn restart(&mut self) {
        *self = Self::default();
    }

    fn skip<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        match rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            Some(end) => {
                self.state = State::LineStart(0);
                rest.get(end + 1..).unwrap_or_default()
            }
            None => &[],
        }
    }

    fn read_string<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let is_end = |&byte: &u8| matches!(byte, b'"' | b'\\' | b'\n' | b'\r');
        let Some(end) = rest.iter().position(is_end) else {
            self.name.push(rest);
            return &[];
        };
        let (text, more) = rest.split_at(end);
        self.name.push(text);
        match more.first() {
            Some(b'"') => self.state = State::Outside,
            Some(b'\\') => {
                self.name.invalidate();
                self.state = State::AfterBackslash;
            }
            _ => self.state = State::LineStart(0),
        }
        more.get(1..).unwrap_or_default()
    }

    /// Reads a byte between strings.
    fn read(&mut self, byte: u8, found: &mut impl FnMut(Place, &Tokens)) {
        if let (Some(number), true) = (self.number, byte.is_ascii_digit()) {
            let digit = u64::from(byte - b'0');
            self.number = number.checked_mul(10).and_then(|it| it.checked_add(digit));
            // The rest of a number that is too large is none.
            self.is_named = self.number.is_some();
            return;
        }
        if let Some(number) = self.number.take()
            && matches!(byte, b',' | b'}' | b' ' | b'\n' | b'\r' | b'\t')
            && let Some((_, depth, tokens)) = &mut self.usage
            && self.depth == *depth
        {
            tokens.set(self.name.get(), number);
        }
        match byte {
            b'"' => {
                self.name.len = 0;
                self.is_named = false;
                self.state = State::InString;
            }
            b':' => self.is_named = true,
            b'0'..=b'9' if self.is_named => self.number = Some(u64::from(byte - b'0')),
            b'{' | b'[' => {
                self.open(byte == b'{');
                self.is_named = false;
            }
            b'}' | b']' => {
                self.close(found);
                self.is_named = false;
            }
            b'\n' | b'\r' => self.state = State::LineStart(0),
            b' ' | b'\t' => {}
            // A comma, or a value that is none of the above.
            _ => self.is_named = false,
        }
    }

    fn open(&mut self, is_object: bool) {
        self.depth = self.depth.saturating_add(1);
        if !is_object || !self.is_named {
            if self.depth == 2 {
                self.parent = None;
            }
            return;
        }
        let name = self.name.get();
        let place = match self.depth {
            2 => Some(Place::Top),
            3 => self.parent,
            _ => None,
        };
        if name == b"usage"
            && let Some(place) = place
        {
            self.usage = Some((place, self.depth, Tokens::default()));
        }
        if self.depth == 2 {
            self.parent = match name {
                b"message" => Some(Place::InMessage),
                b"response" => Some(Place::Top),
                _ => None,
            };
        }
    }

    fn close(&mut self, found: &mut impl FnMut(Place, &Tokens)) {
        if let Some((place, depth, tokens)) = &self.usage
            && self.depth == *depth
        {
            found(*place, tokens);
            self.usage = None;
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chunks: &[&[u8]]) -> Vec<(Place, Tokens)> {
        let (mut scanner, mut all) = (Scanner::default(), Vec::new());
        for chunk in chunks {
            scanner.scan(chunk, |place, tokens| all.push((place, *tokens)));
        }
        all
    }

    fn totals(text: &str) -> Vec<u64> {
        let found = found(&[text.as_bytes()]);
        let totals = found.iter().map(|(_, tokens)| {
            let parts = tokens.input() + tokens.output();
            tokens.total.unwrap_or(parts)
        });
        totals.collect()
    }

    const STREAM: &str = concat!(
        ": keep-alive \"usage\":{\"total_tokens\":1}\n\n",
        "event: message\r\n",
        "data: {\"id\":\"c-1\",\"choices\":[{\"delta\":{\"content\":\"a \\\"usage\\\":{\\\"total_tokens\\\":2}\"}}],\"usage\":null}\r\n\r\n",
        "data:{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\": 5,\"total_tokens\":12,",
        "\"prompt_tokens_details\":{\"total_tokens\":99}}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn usage_is_found_however_the_stream_is_cut() {
        let whole = found(&[STREAM.as_bytes()]);
        assert_eq!(totals(STREAM), [12]);
        assert_eq!(whole[0].0, Place::Top);
        for cut in 0..=STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            assert_eq!(found(&[first, second]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(found(&bytes), whole);
    }

    #[test]
    fn a_stream_that_ends_early_has_no_usage_before_it_is_whole() {
        let end = STREAM.find("}}}").unwrap() + 2;
        for cut in 0..STREAM.len() {
            let found = found(&[&STREAM.as_bytes()[..cut]]);
            assert_eq!(found.len(), usize::from(cut >= end), "cut at {cut}");
        }
    }

    #[test]
    fn a_document_of_many_lines_is_read() {
        let text = "{\n  \"object\": \"chat.completion\",\n  \"choices\": [\n    {\"message\": {\"usage\": {\"total_tokens\": 1}}}\n  ],\n  \"usage\": {\n    \"prompt_tokens\": 19,\n    \"completion_tokens\": 10\n  }\n}\n";
        assert_eq!(totals(text), [29]);
    }

    #[test]
    fn usage_of_tools_and_of_the_model_s_own_text_does_not_count() {
        let text = r#"{"content":[{"type":"tool_use","input":{"usage":{"input_tokens":1}}},{"usage":{"total_tokens":1}}],"usage":{"input_tokens":3,"output_tokens":4}}"#;
        assert_eq!(totals(text), [7]);
        assert_eq!(totals(r#"[{"usage":{"total_tokens":1}}]"#), [0; 0]);
    }

    #[test]
    fn usage_in_a_message_is_told_apart() {
        let text = concat!(
            "data: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n",
            "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":15}}\n\n",
        );
        let found = found(&[text.as_bytes()]);
        let places: Vec<_> = found.iter().map(|(place, _)| *place).collect();
        assert_eq!(places, [Place::InMessage, Place::Top]);
        assert_eq!(totals(text), [31, 15]);
        assert_eq!(
            totals(
                r#"data: {"type":"response.completed","response":{"usage":{"total_tokens":9}}}"#
            ),
            [9]
        );
    }

    #[test]
    fn a_line_of_a_megabyte_and_lines_that_are_cut_hide_nothing() {
        let long = format!(
            "data: {{\"text\":\"{}\"}}\n\ndata: {{\"text\": \"cut {{[\n\ndata: {{\"usage\":{{\"total_tokens\":6}}}}\n",
            "x".repeat(1 << 20)
        );
        assert_eq!(totals(&long), [6]);
        let lines = "{\"usage\":{\"total_tokens\":1}}\n{\"usage\":{\"total_tokens\":2}}\n";
        assert_eq!(totals(lines), [1, 2]);
    }

    #[test]
    fn numbers_that_are_no_counts_are_ignored() {
        for value in [
            "null",
            "-4",
            "1.5",
            "\"7\"",
            "1e3",
            "99999999999999999999999",
            "[5]",
            "{\"a\":5}",
        ] {
            let text =
                format!("{{\"usage\":{{\"prompt_tokens\":{value},\"completion_tokens\":2}}}}");
            assert_eq!(totals(&text), [2], "{value}");
        }
        assert_eq!(totals("{\"usage\":null}"), [0; 0]);
        assert_eq!(totals("{\"usage\":{}}"), [0]);
    }
}
