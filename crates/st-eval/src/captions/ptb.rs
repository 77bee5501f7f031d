//! Penn Treebank tokens as the COCO caption evaluation sees them: the Stanford tokenizer 3.4.1 with `-lowerCase`, then
//! without the evaluation's list of punctuation.
//!
//! The lexer follows its grammar where captions go: clitics, abbreviations, numbers, quotes, brackets, smileys, links.
//! The longest match wins, the earlier rule among equals.

use std::sync::LazyLock;

use regex::Regex;

/// Tokens that the evaluation drops. It writes brackets in capitals, so that the lower-case ones stay.
const DROPPED: [&str; 17] = [
    "''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--",
    "...", ";",
];

/// What becomes of a match.
#[derive(Clone, Copy)]
enum Action {
    /// Nothing: blanks.
    Skip,
    /// The text itself, brackets written out.
    Keep,
    /// Another text.
    Write(&'static str),
    /// Two tokens: so many letters, and the rest.
    Split(usize),
    /// A word up to its `n't`, which is the next token.
    BeforeNot,
    /// An abbreviation that also ends the sentence when a capital follows.
    Abbreviation,
    /// `No.` before a number, else two tokens.
    Number,
    /// A straight double quote: opening before a letter, digit or `$`.
    DoubleQuote,
    /// A straight single quote: opening before a letter.
    SingleQuote,
    /// A match that holds only where no letter or digit follows.
    KeepBeforeBreak,
}

use Action::{
    Abbreviation, BeforeNot, DoubleQuote, Keep, KeepBeforeBreak, Number, SingleQuote, Skip, Split,
    Write,
};

/// Letters and marks, without asking for Unicode tables: every letter block of the basic plane, some signs among them.
const LETTERS: &str = r"A-Za-z\u{AA}\u{B5}\u{BA}\u{C0}-\u{D6}\u{D8}-\u{F6}\u{F8}-\u{1FFF}\u{2C00}-\u{2DFF}\u{3005}-\u{3007}\u{3021}-\u{D7FF}\u{F900}-\u{FDFF}\u{FE20}-\u{FE2F}\u{FE70}-\u{FEFC}\u{FF21}-\u{FF3A}\u{FF41}-\u{FF5A}\u{FF66}-\u{FFDC}";

/// The rules: `~L` stands for the letters in a class, `~Q` for an apostrophe.
const RULES: &[(&str, Action)] = &[
    (
        r"(?:[\s\u{A0}\u{AD}\u{200B}-\u{200F}\u{2028}\u{2029}\u{FEFF}]|&nbsp;)+",
        Skip,
    ),
    (
        r"</?[A-Za-z][A-Za-z0-9:._-]*(?: +[A-Za-z][A-Za-z0-9_:.-]*(?: *= *(?:'[^']*'|\x22[^\x22]*\x22|[A-Za-z0-9_:.-]+))?)* */?>",
        Keep,
    ),
    (r"&amp;", Write("&")),
    (r"&lt;", Write("<")),
    (r"&gt;", Write(">")),
    (r"&quot;", DoubleQuote),
    (
        r"(?:https?|ftp)://[^ \t\n\r\x22<>|()]+[^ \t\n\r\x22<>|.!?(){},\-]",
        Keep,
    ),
    (
        r"www\.(?:[^ \t\n\r\x22<>|.!?(){},]+\.)+[a-zA-Z]{2,4}(?:/[^ \t\n\r\x22<>|()]+[^ \t\n\r\x22<>|.!?(){},\-])?",
        Keep,
    ),
    (
        r"[a-zA-Z0-9][^ \t\n\r\x22<>|()\u{A0}@]*@(?:[^ \t\n\r\x22<>|().\u{A0}@]+\.)+[^ \t\n\r\x22<>|().\u{A0}@]+",
        Keep,
    ),
    (r"@[a-zA-Z_][a-zA-Z_0-9]*", Keep),
    (r"#[~L][~L0-9_]*", Keep),
    // Words with their apostrophes and the clitics behind them.
    (r"(?i-u:cannot|gonna|gotta|lemme|gimme|wanna)", Split(3)),
    (r"~Q(?i-u:t(?:is|was))", Split(2)),
    (r"(?i-u:y)~Q(?i-u:all)|(?i-u:d)~Q(?i-u:ye)", Split(2)),
    (r"[~L0-9]*[~L](?:n~Q[tT]|N~QT)", BeforeNot),
    (r"[nN]~Q[tT]", KeepBeforeBreak),
    (r"~Q(?i-u:s|m|d|ll|re|ve)", KeepBeforeBreak),
    (r"~Qn~Q", Keep),
    (r"~Q[0-9][0-9]s?", KeepBeforeBreak),
    (r"~Q(?i-u:em)", KeepBeforeBreak),
    (r"[dDoOlL]~Q[~L]+|(?i-u:ma)~Q(?i-u:am)", Keep),
    // Abbreviations.
    (r"[A-Za-z](?:\.[A-Za-z])+\.", Keep),
    (
        r"(?i-u:jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|mon|tue|tues|wed|thu|thurs|fri|inc|cos?|corp|pp|ltd|bros|etc|al|seq|jr|sr|bld|ph)\.",
        Abbreviation,
    ),
    (
        r"(?i-u:mr|mrs|ms|dr|drs|prof|gen|rep|sen|gov|sgt|capt|lt|col|maj|rev|hon|pres|st|mt|vs|v|fig|figs|est)\.",
        Keep,
    ),
    (r"[NS]o\.", Number),
    (r"[A-Z]+(?:&[A-Z]+)+", Keep),
    (r"[Cc]\+\+|[CcFf]#", Keep),
    // Numbers, then words with what joins them.
    (r"[-+]?[0-9]*(?:[.:,][0-9]+)+", Keep),
    (r"[-+]?[0-9]+", Keep),
    (r"[~L0-9]+(?:[-_/][~L0-9]+)*", Keep),
    (r"[~L][~L0-9]*(?:[.!?][~L][~L0-9]*)+", Keep),
    // Punctuation.
    (r"-(?:[LR](?:RB|CB|SB)|[lr](?:rb|cb|sb))-", Keep),
    (r"[<>]?[:;=][\-o*']?[()DPdpO\\{@|]", KeepBeforeBreak),
    (r"\^_\^", Keep),
    (r"\.\.+|…|\. \. \.", Write("...")),
    (r"[!?]+", Keep),
    (r"-{2,}|–|—", Write("--")),
    (r"‐|‑", Write("-")),
    (r"``|“|«", Write("``")),
    (r"''|”|»", Write("''")),
    (r"‘|‹", Write("`")),
    (r"›", Write("'")),
    (r"\x22", DoubleQuote),
    (r"~Q", SingleQuote),
    (r"½", Write("1/2")),
    (r"¼", Write("1/4")),
    (r"¾", Write("3/4")),
    (r"⅓", Write("1/3")),
    (r"⅔", Write("2/3")),
    (r"£", Write("#")),
    (r"€", Write("$")),
    (r"¢", Write("cents")),
    (r"[^\u{10000}-\u{10FFFF}]", Keep),
    (r"[\u{10000}-\u{10FFFF}]", Skip),
];

static COMPILED: LazyLock<Vec<(Regex, Action)>> = LazyLock::new(|| {
    RULES
        .iter()
        .map(|(pattern, action)| {
            let pattern = pattern.replace("~L", LETTERS).replace("~Q", "(?:'|’)");
            let anchored = Regex::new(&format!(r"\A(?:{pattern})"));
            (
                anchored.expect("the rules are part of the program and a test compiles them all"),
                *action,
            )
        })
        .collect()
});

/// All tokens in lower case, separated by single spaces.
#[must_use]
pub fn raw_tokens(text: &str) -> String {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut longest = 0;
        let mut chosen = Skip;
        for (rule, action) in COMPILED.iter() {
            if let Some(found) = rule.find(rest)
                && found.end() > longest
                && allowed(*action, &rest[found.end()..])
            {
                (longest, chosen) = (found.end(), *action);
            }
        }
        // Every character has a rule, so this cannot stand still.
        let (matched, after) =
            rest.split_at(longest.max(rest.chars().next().map_or(0, char::len_utf8)));
        rest = emit(chosen, matched, after, rest, &mut tokens);
    }
    tokens.join(" ").to_lowercase()
}

/// The tokens that the caption metrics compare.
#[must_use]
pub fn tokenize(text: &str) -> String {
    let raw = raw_tokens(&text.replace('\n', " "));
    raw.split(' ')
        .filter(|token| !DROPPED.contains(token))
        .collect::<Vec<_>>()
        .join(" ")
}

fn allowed(action: Action, after: &str) -> bool {
    let next = after.chars().next();
    match action {
        KeepBeforeBreak | BeforeNot | Split(_) => !next.is_some_and(char::is_alphanumeric),
        _ => true,
    }
}

/// Adds the match's tokens and returns what is left of the text.
fn emit<'a>(
    action: Action,
    matched: &'a str,
    after: &'a str,
    rest: &'a str,
    tokens: &mut Vec<String>,
) -> &'a str {
    match action {
        Skip => {}
        Keep | KeepBeforeBreak => tokens.push(bracketed(matched)),
        Write(text) => tokens.push(text.to_owned()),
        Split(letters) => {
            let at = matched
                .char_indices()
                .nth(letters)
                .map_or(matched.len(), |(at, _)| at);
            tokens.push(matched[..at].to_owned());
            tokens.push(matched[at..].to_owned());
        }
        BeforeNot => {
            let at = matched.char_indices().rev().nth(2).map_or(0, |(at, _)| at);
            tokens.push(matched[..at].to_owned());
            return &rest[at..];
        }
        Abbreviation => {
            tokens.push(matched.to_owned());
            let follows = after.trim_start();
            if follows.len() < after.len() && follows.starts_with(|c: char| c.is_uppercase()) {
                tokens.push(".".to_owned());
            }
        }
        Number => {
            if after.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
                tokens.push(matched.to_owned());
            } else {
                tokens.extend([matched[..2].to_owned(), ".".to_owned()]);
            }
        }
        DoubleQuote => {
            let opening =
                after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '$' || c == '\'');
            tokens.push(if opening { "``" } else { "''" }.to_owned());
        }
        SingleQuote => {
            let opening = matched == "'" && after.starts_with(|c: char| c.is_ascii_alphabetic());
            tokens.push(if opening { "`" } else { "'" }.to_owned());
        }
    }
    after
}

fn bracketed(text: &str) -> String {
    if text.starts_with("-L") || text.starts_with("-R") {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '(' => out.push_str("-lrb-"),
            ')' => out.push_str("-rrb-"),
            '[' => out.push_str("-lsb-"),
            ']' => out.push_str("-rsb-"),
            '{' => out.push_str("-lcb-"),
            '}' => out.push_str("-rcb-"),
            '’' => out.push('\''),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clitics_and_punctuation() {
        assert_eq!(
            raw_tokens("He doesn't (really) say \"it's\"."),
            "he does n't -lrb- really -rrb- say `` it 's '' ."
        );
        assert_eq!(tokenize("The dog's toys, twice!"), "the dog 's toys twice");
        assert_eq!(tokenize("..."), "");
    }
}
