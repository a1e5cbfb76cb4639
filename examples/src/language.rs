//! The model that the examples call: it detects the language of a text.
//!
//! A naive Bayes classifier over n-grams of letters, trained on the first article of the Universal
//! Declaration of Human Rights.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const SAMPLES: [(&str, &str); 4] = [
    (
        "English",
        "All human beings are born free and equal in dignity and rights. They are endowed with reason and \
         conscience and should act towards one another in a spirit of brotherhood.",
    ),
    (
        "French",
        "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de \
         conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    ),
    (
        "German",
        "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt \
         und sollen einander im Geist der Brüderlichkeit begegnen.",
    ),
    (
        "Spanish",
        "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y \
         conciencia, deben comportarse fraternalmente los unos con los otros.",
    ),
];

/// The input of the model.
#[derive(Debug, Deserialize)]
pub struct Input {
    /// A text in one of the languages of the model.
    pub text: String,
}

/// The output of the model.
#[derive(Debug, Serialize)]
pub struct Output {
    /// The likeliest language.
    pub language: &'static str,
}

/// A trained model.
#[derive(Debug)]
pub struct Model {
    letters: usize,
    languages: Vec<Language>,
}

#[derive(Debug)]
struct Language {
    name: &'static str,
    counts: HashMap<String, u32>,
}

impl Model {
    /// Counts n-grams of this many letters. More letters are more precise, and take longer.
    #[must_use]
    pub fn train(letters: usize) -> Self {
        let languages = SAMPLES.map(|(name, sample)| {
            let mut counts = HashMap::new();
            for piece in pieces(sample, letters) {
                *counts.entry(piece).or_default() += 1;
            }
            Language { name, counts }
        });
        Self {
            letters,
            languages: languages.into(),
        }
    }

    /// The likeliest language of a text.
    #[must_use]
    pub fn predict(&self, text: &str) -> Output {
        let pieces = pieces(text, self.letters);
        let likeliest = self
            .languages
            .iter()
            .max_by(|a, b| a.likelihood(&pieces).total_cmp(&b.likelihood(&pieces)));
        Output {
            language: likeliest.map_or("none", |language| language.name),
        }
    }
}

impl Language {
    #[expect(
        clippy::float_arithmetic,
        reason = "a model computes with floats; the limiter never does"
    )]
    /// The logarithm of the likelihood that these n-grams are of this language. One is added to
    /// each count, so that an n-gram that was never seen does not rule the language out.
    fn likelihood(&self, pieces: &[String]) -> f64 {
        let all = self.counts.values().sum::<u32>() + 1;
        let seen = |piece| self.counts.get(piece).copied().unwrap_or_default() + 1;
        let logarithms = pieces.iter().map(|piece| f64::from(seen(piece)).ln());
        logarithms.map(|count| count - f64::from(all).ln()).sum()
    }
}

/// All n-grams of a text: its runs of this many letters.
fn pieces(text: &str, letters: usize) -> Vec<String> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let windows = text.windows(letters.max(1));
    windows.map(|window| window.iter().collect()).collect()
}
