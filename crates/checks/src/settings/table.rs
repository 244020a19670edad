//! The form in which an area writes its table of checks.

/// `NAME "name" Severity form; title; demand; why; remedy; [references]`, one a line, in the order of reports.
macro_rules! checks {
    ($area:literal: $($name:ident $id:literal $severity:ident $form:expr; $title:literal; $demand:literal; $why:literal; $remedy:expr; [$($reference:literal),*])*) => {
        $(
            #[doc = $title]
            pub(crate) static $name: agent_core::finding::Check = agent_core::finding::Check {
                id: concat!($area, ".", $id),
                title: $title,
                demand: $demand,
                why: $why,
                severity: Some(agent_core::finding::Severity::$severity),
                form: $form,
                remedy: $remedy,
                references: &[$($reference),*],
            };
        )*
        /// All of them, in the order of reports.
        pub static CHECKS: [&agent_core::finding::Check; [$($id),*].len()] = [$(&$name),*];
    };
}

pub(crate) use checks;
