//! From tokens to expressions.

use super::{
    Comparator, Condition, Expression, GrammarError, Operand, Path, Projection, Step, Sum, Term,
    Update,
    token::{Token, tokens},
};

pub(super) fn condition(text: &str) -> Result<Expression<Condition>, GrammarError> {
    Parser::over(text, Parser::or)
}

pub(super) fn update(text: &str) -> Result<Expression<Update>, GrammarError> {
    Parser::over(text, Parser::update)
}

pub(super) fn projection(text: &str) -> Result<Expression<Projection>, GrammarError> {
    Parser::over(text, |parser| {
        let paths = parser.list(Parser::path)?;
        let twice = paths.iter().enumerate().any(|(at, path)| paths[..at].contains(path));
        if twice { Err(GrammarError("a projection overlaps itself")) } else { Ok(paths) }
    })
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn over<T>(
        text: &str,
        parse: impl FnOnce(&mut Self) -> Result<T, GrammarError>,
    ) -> Result<Expression<T>, GrammarError> {
        // DynamoDB takes no more than 4 KB of any expression.
        if text.len() > 4_096 {
            return Err(GrammarError("an expression is over 4 KB"));
        }
        let tokens: Vec<_> = tokens(text)?.into_iter().map(|(token, ..)| token).collect();
        if tokens.is_empty() {
            return Err(GrammarError("an expression is empty"));
        }
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for token in &tokens {
            let (used, all) = match token {
                Token::Name(name) => (name, &mut names),
                Token::Value(name) => (name, &mut values),
                Token::Word(_) | Token::Index(_) | Token::Symbol(_) => continue,
            };
            if !all.contains(used) {
                all.push(used.clone());
            }
        }
        let mut parser = Self { tokens, at: 0 };
        let tree = parse(&mut parser)?;
        match parser.peek() {
            None => Ok(Expression { tree, names, values }),
            Some(_) => Err(GrammarError("something follows the end of an expression")),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    /// Takes a keyword if it is next.
    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(word)) if word == wanted);
        self.at += usize::from(found);
        found
    }

    /// Takes a symbol if it is next.
    fn symbol(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(symbol)) if *symbol == wanted);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, wanted: &str) -> Result<(), GrammarError> {
        if self.symbol(wanted) { Ok(()) } else { Err(GrammarError("a symbol is missing")) }
    }

    /// Takes a function's name if one of them and a parenthesis are next.
    fn function(&mut self, functions: &[&'static str]) -> Option<&'static str> {
        let Some(Token::Word(word)) = self.peek() else { return None };
        let function = functions.iter().find(|function| *function == word)?;
        if self.tokens.get(self.at + 1) != Some(&Token::Symbol("(")) {
            return None;
        }
        self.at += 2;
        Some(function)
    }

    fn list<T>(
        &mut self,
        parse: impl Fn(&mut Self) -> Result<T, GrammarError>,
    ) -> Result<Vec<T>, GrammarError> {
        let mut all = vec![parse(self)?];
        while self.symbol(",") {
            all.push(parse(self)?);
        }
        Ok(all)
    }

    fn name(&mut self) -> Result<String, GrammarError> {
        let name = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Word(_)) => {
                return Err(GrammarError("an attribute or function is a bare word"));
            }
            Some(Token::Value(_) | Token::Index(_) | Token::Symbol(_)) | None => {
                return Err(GrammarError("an attribute is missing"));
            }
        };
        self.at += 1;
        Ok(name)
    }

    fn value(&mut self) -> Result<String, GrammarError> {
        let Some(Token::Value(name)) = self.peek() else {
            return Err(GrammarError("a value is missing"));
        };
        let name = name.clone();
        self.at += 1;
        Ok(name)
    }

    fn path(&mut self) -> Result<Path, GrammarError> {
        let name = self.name()?;
        let mut steps = Vec::new();
        loop {
            if self.symbol(".") {
                steps.push(Step::Name(self.name()?));
            } else if self.symbol("[") {
                let Some(Token::Index(index)) = self.peek() else {
                    return Err(GrammarError("an index is missing"));
                };
                steps.push(Step::Index(*index));
                self.at += 1;
                self.expect("]")?;
            } else {
                return Ok(Path { name, steps });
            }
        }
    }

    fn operand(&mut self) -> Result<Operand, GrammarError> {
        if self.function(&["size"]).is_some() {
            let path = self.path()?;
            self.expect(")")?;
            return Ok(Operand::Size(path));
        }
        match self.peek() {
            Some(Token::Value(_)) => self.value().map(Operand::Value),
            _ => self.path().map(Operand::Path),
        }
    }

    fn or(&mut self) -> Result<Condition, GrammarError> {
        let mut parts = vec![self.and()?];
        while self.word("OR") {
            parts.push(self.and()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Or(parts) })
    }

    fn and(&mut self) -> Result<Condition, GrammarError> {
        let mut parts = vec![self.not()?];
        while self.word("AND") {
            parts.push(self.not()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::And(parts) })
    }

    fn not(&mut self) -> Result<Condition, GrammarError> {
        if self.word("NOT") {
            return Ok(Condition::Not(Box::new(self.not()?)));
        }
        if self.symbol("(") {
            let opens_twice = self.peek() == Some(&Token::Symbol("("));
            let from = self.at;
            let inner = self.or()?;
            self.expect(")")?;
            // `((a))` is refused, `((a) AND (b))` is not.
            if opens_twice && self.closes(from) + 2 == self.at {
                return Err(GrammarError("there are redundant parentheses"));
            }
            return Ok(inner);
        }
        self.predicate()
    }

    /// Where the parenthesis is closed that opens at a token.
    fn closes(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        let ends = |token: &Token| {
            depth += usize::from(*token == Token::Symbol("("));
            depth -= usize::from(*token == Token::Symbol(")"));
            depth == 0
        };
        open + self.tokens[open..].iter().position(ends).unwrap_or_default()
    }

    fn predicate(&mut self) -> Result<Condition, GrammarError> {
        let functions =
            ["attribute_exists", "attribute_not_exists", "attribute_type", "begins_with"];
        let function = self.function(&functions).or_else(|| self.function(&["contains"]));
        if let Some(function) = function {
            let path = self.path()?;
            let condition = match function {
                "attribute_exists" => Condition::Exists(path),
                "attribute_not_exists" => Condition::NotExists(path),
                _ => {
                    self.expect(",")?;
                    match function {
                        "attribute_type" => Condition::Type(path, self.value()?),
                        "begins_with" => Condition::BeginsWith(path, self.operand()?),
                        _ => Condition::Contains(path, self.operand()?),
                    }
                }
            };
            self.expect(")")?;
            if let Condition::BeginsWith(path, Operand::Path(other))
            | Condition::Contains(path, Operand::Path(other)) = &condition
                && path == other
            {
                return Err(SAME);
            }
            return Ok(condition);
        }
        let left = self.operand()?;
        if self.word("BETWEEN") {
            let low = self.operand()?;
            if !self.word("AND") {
                return Err(GrammarError("the AND of BETWEEN is missing"));
            }
            return Ok(Condition::Between(left, low, self.operand()?));
        }
        if self.word("IN") {
            self.expect("(")?;
            let all = self.list(Self::operand)?;
            self.expect(")")?;
            let too_many = GrammarError("IN takes no more than 100 operands");
            return if all.len() > 100 { Err(too_many) } else { Ok(Condition::In(left, all)) };
        }
        let comparators = [
            ("=", Comparator::Equal),
            ("<>", Comparator::NotEqual),
            ("<=", Comparator::LessOrEqual),
            (">=", Comparator::GreaterOrEqual),
            ("<", Comparator::Less),
            (">", Comparator::Greater),
        ];
        let found = comparators.into_iter().find(|(symbol, _)| self.symbol(symbol));
        let (_, comparator) = found.ok_or(GrammarError("a comparison is missing"))?;
        let right = self.operand()?;
        if left == right { Err(SAME) } else { Ok(Condition::Compare(left, comparator, right)) }
    }

    fn update(&mut self) -> Result<Update, GrammarError> {
        let mut update = Update::default();
        let mut seen = Vec::new();
        let keywords = ["SET", "REMOVE", "ADD", "DELETE"];
        while let Some(keyword) = keywords.into_iter().find(|keyword| self.word(keyword)) {
            if seen.contains(&keyword) {
                return Err(GrammarError("a clause of an update is there twice"));
            }
            seen.push(keyword);
            match keyword {
                "SET" => {
                    update.sets = self.list(|parser| {
                        let path = parser.path()?;
                        parser.expect("=")?;
                        Ok((path, parser.sum()?))
                    })?;
                }
                "REMOVE" => update.removes = self.list(Self::path)?,
                "ADD" => update.adds = self.list(Self::change)?,
                _ => update.deletes = self.list(Self::change)?,
            }
        }
        if seen.is_empty() { Err(GrammarError("an update has no clause")) } else { Ok(update) }
    }

    /// What ADD and DELETE take.
    fn change(&mut self) -> Result<(Path, String), GrammarError> {
        let path = self.path()?;
        if path.steps.is_empty() {
            Ok((path, self.value()?))
        } else {
            Err(GrammarError("ADD and DELETE take attributes at the top of an item"))
        }
    }

    fn sum(&mut self) -> Result<Sum, GrammarError> {
        let left = self.term()?;
        // Two operands and no more: what follows a second one is nothing that can follow it.
        if self.symbol("+") {
            Ok(Sum::Plus(left, self.term()?))
        } else if self.symbol("-") {
            Ok(Sum::Minus(left, self.term()?))
        } else {
            Ok(Sum::One(left))
        }
    }

    fn term(&mut self) -> Result<Term, GrammarError> {
        let term = match self.function(&["if_not_exists", "list_append"]) {
            Some("if_not_exists") => {
                let path = self.path()?;
                self.expect(",")?;
                Term::IfNotExists(path, Box::new(self.term()?))
            }
            Some(_) => {
                let left = self.term()?;
                self.expect(",")?;
                Term::ListAppend(Box::new(left), Box::new(self.term()?))
            }
            None => {
                return match self.peek() {
                    Some(Token::Value(_)) => self.value().map(Term::Value),
                    _ => self.path().map(Term::Path),
                };
            }
        };
        self.expect(")")?;
        Ok(term)
    }
}

/// DynamoDB refuses it, whatever it would mean.
const SAME: GrammarError = GrammarError("an operand is compared with itself");
