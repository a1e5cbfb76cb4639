//! The free names of an expression: those that it takes from around it.

use proc_macro2::{Delimiter, Ident, Spacing, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Arm, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprLet, ExprPath, ExprWhile,
    Item, Local, Macro, Pat, PatIdent, Stmt,
};

/// The names in an expression that can be values from around it: no fields, functions, macros or path segments, and
/// nothing that the expression binds itself. Within calls of macros, every word that can be a value counts.
pub(crate) fn free_names(expr: &Expr) -> Vec<Ident> {
    let mut names = FreeNames::default();
    names.visit_expr(expr);
    names.found
}

/// The names that a pattern binds.
pub(crate) fn bound_names(pattern: &Pat) -> Vec<Ident> {
    #[derive(Default)]
    struct Bound(Vec<Ident>);
    impl<'ast> Visit<'ast> for Bound {
        fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
            self.0.push(pattern.ident.clone());
            visit::visit_pat_ident(self, pattern);
        }
        // In a pattern there may be constants with code of their own.
        fn visit_expr(&mut self, _: &'ast Expr) {}
    }
    let mut bound = Bound::default();
    bound.visit_pat(pattern);
    bound.0
}

#[derive(Default)]
struct FreeNames {
    found: Vec<Ident>,
    /// What the expression binds itself, the innermost scope last.
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
        // What is called is a function.
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
            // Items may be used before they stand there.
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

    /// An item cannot use what is around it.
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
            // Its guard is a part of the pattern.
            names.visit_pat(&arm.pat);
            names.visit_expr(&arm.body);
        });
    }
}

/// The name that an item in a block has as a value.
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

/// The words that can be values among the tokens of a macro call, and what format strings capture.
fn value_words(tokens: TokenStream, found: &mut Vec<Ident>) {
    let mut tokens = tokens.into_iter().peekable();
    // The punctuation right before, a pair such as `::` or `..` as its second half.
    let mut before = None;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(ident) => {
                let mut called = false;
                let after = match tokens.peek() {
                    Some(TokenTree::Punct(punct)) => Some((punct.as_char(), punct.spacing())),
                    Some(TokenTree::Group(group)) => {
                        called = group.delimiter() == Delimiter::Parenthesis;
                        None
                    }
                    _ => None,
                };
                let selected = matches!(before, Some(Before::Dot | Before::Path | Before::Quote));
                let named = match after {
                    Some((':', _)) => true,
                    Some(('!', spacing)) => spacing == Spacing::Alone,
                    _ => false,
                };
                if !selected && !named && !called {
                    found.push(ident);
                }
                before = None;
            }
            TokenTree::Punct(punct) => {
                before = match (before, punct.as_char(), punct.spacing()) {
                    (Some(Before::Colon), ':', _) => Some(Before::Path),
                    (_, ':', Spacing::Joint) => Some(Before::Colon),
                    (Some(Before::Dots), '.', _) => None,
                    (_, '.', Spacing::Joint) => Some(Before::Dots),
                    (_, '.', Spacing::Alone) => Some(Before::Dot),
                    (_, '\'', _) => Some(Before::Quote),
                    _ => None,
                };
            }
            TokenTree::Group(group) => {
                value_words(group.stream(), found);
                before = None;
            }
            TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                    captured(&text.value(), text.span(), found);
                }
                before = None;
            }
        }
    }
}

/// What stands before a word, as far as it says what the word is.
enum Before {
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

/// The names in `{name}` and `{name:…}` of a text, which may be a format string.
fn captured(text: &str, span: proc_macro2::Span, found: &mut Vec<Ident>) {
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
    fn only_values_count() {
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
    fn what_the_expression_binds_is_not_free() {
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
    fn macro_calls_are_scanned() {
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
