//! The free names of an expression: those that it uses but does not bind.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath, ExprWhile,
    Item, Local, Macro, Pat, PatIdent, Stmt,
};

/// The names in an expression that can be values of the surrounding code: no fields, functions,
/// macros or path segments, and no names that the expression binds. Within macro calls, every word
/// counts that can be a value.
pub(crate) fn free_names(expr: &Expr) -> Vec<Ident> {
    let mut names = FreeNames::default();
    names.visit_expr(expr);
    names.found
}

/// The names that a pattern binds.
pub(crate) fn bound_names(pattern: &Pat) -> Vec<Ident> {
    #[derive(Default)]
    struct BoundNames(Vec<Ident>);
    impl<'ast> Visit<'ast> for BoundNames {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            self.0.push(pattern.ident.clone());
            visit::visit_pat_ident(self, pattern);
        }
        // A constant in a pattern may contain code, which binds nothing here.
        fn visit_expr(&mut self, _: &'ast Expr) {}
    }
    let mut names = BoundNames::default();
    names.visit_pat(pattern);
    names.0
}

#[derive(Default)]
struct FreeNames {
    found: Vec<Ident>,
    /// The names that the expression binds, with the innermost scope last.
    scopes: Vec<Vec<Ident>>,
}

impl FreeNames {
    fn use_name(&mut self, name: &Ident) {
        if !self.scopes.iter().flatten().any(|bound| bound == name) {
            self.found.push(name.clone());
        }
    }

    fn bind(&mut self, pattern: &Pat) {
        self.bind_names(bound_names(pattern));
    }

    fn bind_names(&mut self, names: impl IntoIterator<Item = Ident>) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.extend(names);
        }
    }

    fn in_scope(&mut self, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(Vec::new());
        visit(self);
        self.scopes.pop();
    }

    fn use_tokens(&mut self, tokens: TokenStream) {
        let mut names = Vec::new();
        value_words(tokens, &mut names);
        names.iter().for_each(|name| self.use_name(name));
    }
}

impl<'ast> Visit<'ast> for FreeNames {
    fn visit_expr(&mut self, expr: &'ast Expr) {
        match expr {
            Expr::Verbatim(tokens) => self.use_tokens(tokens.clone()),
            expr => visit::visit_expr(self, expr),
        }
    }

    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        match (&path.qself, path.path.get_ident()) {
            (None, Some(name)) => self.use_name(name),
            _ => visit::visit_expr_path(self, path),
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        // A single word that is called is a function.
        let is_name = matches!(&*call.func, Expr::Path(path) if path.path.get_ident().is_some());
        if !is_name {
            self.visit_expr(&call.func);
        }
        call.args
            .iter()
            .for_each(|argument| self.visit_expr(argument));
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.use_tokens(call.tokens.clone());
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.in_scope(|names| {
            closure.inputs.iter().for_each(|input| names.bind(input));
            names.visit_expr(&closure.body);
        });
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.in_scope(|names| {
            // Items can be used before they are declared.
            names.bind_names(block.stmts.iter().filter_map(item_name));
            block.stmts.iter().for_each(|stmt| names.visit_stmt(stmt));
        });
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let Some(init) = &local.init {
            self.visit_local_init(init);
        }
        self.bind(&local.pat);
    }

    /// An item cannot use local names of the surrounding code.
    fn visit_item(&mut self, _: &'ast Item) {}

    fn visit_expr_let(&mut self, condition: &'ast ExprLet) {
        self.visit_expr(&condition.expr);
        self.visit_pat(&condition.pat);
        self.bind(&condition.pat);
    }

    fn visit_expr_if(&mut self, condition: &'ast ExprIf) {
        self.in_scope(|names| {
            names.visit_expr(&condition.cond);
            names.visit_block(&condition.then_branch);
        });
        if let Some((_, otherwise)) = &condition.else_branch {
            self.visit_expr(otherwise);
        }
    }

    fn visit_expr_while(&mut self, condition: &'ast ExprWhile) {
        self.in_scope(|names| {
            names.visit_expr(&condition.cond);
            names.visit_block(&condition.body);
        });
    }

    fn visit_expr_for_loop(&mut self, for_loop: &'ast ExprForLoop) {
        self.visit_expr(&for_loop.expr);
        self.in_scope(|names| {
            names.bind(&for_loop.pat);
            names.visit_block(&for_loop.body);
        });
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.in_scope(|names| {
            names.bind(&arm.pat);
            // The pattern includes the guard.
            names.visit_pat(&arm.pat);
            names.visit_expr(&arm.body);
        });
    }
}

/// The name of an item in a block, if the item is a value.
fn item_name(stmt: &Stmt) -> Option<Ident> {
    let Stmt::Item(item) = stmt else {
        return None;
    };
    match item {
        Item::Const(item) => Some(item.ident.clone()),
        Item::Static(item) => Some(item.ident.clone()),
        Item::Fn(item) => Some(item.sig.ident.clone()),
        _ => None,
    }
}

/// The words that can be values in the tokens of a macro call, and the names that format strings
/// capture.
fn value_words(tokens: TokenStream, found: &mut Vec<Ident>) {
    let mut tokens = tokens.into_iter().peekable();
    let mut previous = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) => {
                let mut is_called = false;
                let next = match tokens.peek() {
                    Some(TokenTree::Punct(punct)) => Some((punct.as_char(), punct.spacing())),
                    Some(TokenTree::Group(group)) => {
                        is_called = group.delimiter() == Delimiter::Parenthesis;
                        None
                    }
                    _ => None,
                };
                let is_member = matches!(
                    previous,
                    Some(Punctuation::Dot | Punctuation::Path | Punctuation::Quote)
                );
                // `name:` is a field, `name::` a path, `name!` a macro, but `name != …` a value.
                let is_other_name = match next {
                    Some((':', _)) => true,
                    Some(('!', spacing)) => spacing == Spacing::Alone,
                    _ => false,
                };
                if !is_member && !is_other_name && !is_called {
                    found.push(ident);
                }
                previous = None;
            }
            TokenTree::Punct(punct) => {
                previous = match (previous, punct.as_char(), punct.spacing()) {
                    (Some(Punctuation::Colon), ':', _) => Some(Punctuation::Path),
                    (_, ':', Spacing::Joint) => Some(Punctuation::Colon),
                    (Some(Punctuation::Dots), '.', _) => None,
                    (_, '.', Spacing::Joint) => Some(Punctuation::Dots),
                    (_, '.', Spacing::Alone) => Some(Punctuation::Dot),
                    (_, '\'', _) => Some(Punctuation::Quote),
                    _ => None,
                };
            }
            TokenTree::Group(group) => {
                value_words(group.stream(), found);
                previous = None;
            }
            TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                    captured_names(&text.value(), text.span(), found);
                }
                previous = None;
            }
        }
    }
}

/// The punctuation before a word, as far as it shows that the word is not a value.
enum Punctuation {
    /// `.`: a field or method follows.
    Dot,
    /// The first half of `..`.
    Dots,
    /// The first half of `::`.
    Colon,
    /// `::`: the rest of a path follows.
    Path,
    /// `'`: a label follows.
    Quote,
}

/// The names in `{name}` and `{name:…}` in a string, which may be a format string.
fn captured_names(text: &str, span: proc_macro2::Span, found: &mut Vec<Ident>) {
    let openings = text.split('{').skip(1);
    let names = openings.filter_map(|rest| {
        let name = rest.split(['}', ':']).next()?.trim();
        syn::parse_str::<Ident>(name).ok()
    });
    found.extend(names.map(|mut name| {
        name.set_span(span);
        name
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    fn free(expr: &Expr) -> Vec<String> {
        let mut names: Vec<_> = free_names(expr).iter().map(Ident::to_string).collect();
        names.dedup();
        names
    }

    #[test]
    fn only_values_are_free() {
        assert_eq!(free(&parse_quote!(inputs.len() + 1)), ["inputs"]);
        assert_eq!(free(&parse_quote!(other.inputs.len())), ["other"]);
        assert_eq!(free(&parse_quote!(inputs::len)), [""; 0]);
        assert_eq!(free(&parse_quote!(crate::inputs)), [""; 0]);
        assert_eq!(free(&parse_quote!(max(0..a, &[b]))), ["a", "b"]);
        assert_eq!(free(&parse_quote!(name!(db))), ["db"]);
        assert_eq!(free(&parse_quote!(name(db))), ["db"]);
        assert_eq!(free(&parse_quote!(Cost { n, of: m })), ["n", "m"]);
        assert_eq!(
            free(&parse_quote!(if name != a { 1 } else { 2 })),
            ["name", "a"]
        );
    }

    #[test]
    fn names_that_the_expression_binds_are_not_free() {
        assert_eq!(free(&parse_quote!(|n: u8| n + m)), ["m"]);
        assert_eq!(free(&parse_quote!(all.map(|n| n + 1).sum())), ["all"]);
        assert_eq!(
            free(&parse_quote!({
                let n = n;
                n + 1
            })),
            ["n"]
        );
        assert_eq!(
            free(&parse_quote!({
                let n = 1;
                n + 1
            })),
            [""; 0]
        );
        assert_eq!(
            free(&parse_quote!({
                let x = n;
                let n = x;
                n
            })),
            ["n"]
        );
        assert_eq!(
            free(&parse_quote!({
                {
                    let n = 1;
                }
                n
            })),
            ["n"]
        );
        assert_eq!(
            free(&parse_quote!(match m {
                Some(n) if n > k => n,
                _ => n,
            })),
            ["m", "k", "n"]
        );
        assert_eq!(
            free(&parse_quote!(if let Some(n) = m { n } else { 1 })),
            ["m"]
        );
        assert_eq!(
            free(&parse_quote!(if let Some(n) = m
                && n > 1
            {
                n
            } else {
                n
            })),
            ["m", "n"]
        );
        assert_eq!(
            free(&parse_quote!({
                while let Some(n) = m {
                    n;
                }
                1
            })),
            ["m"]
        );
        assert_eq!(
            free(&parse_quote!({
                for n in m {
                    n;
                }
                n
            })),
            ["m", "n"]
        );
        assert_eq!(
            free(&parse_quote!({
                let Some(n) = m else { return n };
                n
            })),
            ["m", "n"]
        );
        assert_eq!(
            free(&parse_quote!({
                const N: u8 = M;
                N
            })),
            [""; 0]
        );
        assert_eq!(
            free(&parse_quote!({
                fn n() -> u8 {
                    m
                }
                f(n)
            })),
            [""; 0]
        );
    }

    #[test]
    fn words_in_macro_calls_are_free() {
        assert_eq!(free(&parse_quote!(vec![n, m.len()].len())), ["n", "m"]);
        assert_eq!(free(&parse_quote!(matches!(n, Some(1)))), ["n"]);
        assert_eq!(
            free(&parse_quote!(format!("{n} {m:?} {} {{x}}", k).len())),
            ["n", "m", "x", "k"]
        );
        assert_eq!(
            free(&parse_quote!({
                let n = 1;
                vec![n, m].len()
            })),
            ["m"]
        );
    }
}
