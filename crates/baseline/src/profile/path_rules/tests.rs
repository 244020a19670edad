use super::*;

fn cover(rules: &[&str], excludes: &[&str]) -> PathRules {
    let demand = Demand {
        attributes: AttributeSet::ALL,
        severity: Severity::High,
        cross_mounts: false,
        launch: false,
        keep_text: false,
    };
    let rule = |text: &&str| Rule {
        pattern: Pattern::parse(text, false).expect("good"),
        demand,
        writers: Vec::new(),
    };
    let exclude = |text: &&str| Pattern::parse(text, true).expect("good");
    PathRules::new(
        rules.iter().map(rule).collect(),
        excludes.iter().map(exclude).collect(),
    )
}

fn reach(path_rules: &PathRules, path: &str) -> Reach {
    let mut position = path_rules.root();
    let mut reach = path_rules.reach_root();
    for name in path.split('/').filter(|n| !n.is_empty()) {
        reach = path_rules.reach(&position, name.as_bytes());
        if matches!(reach, Reach::Excluded(_) | Reach::Outside) {
            return reach;
        }
        position = path_rules.enter(&position, name.as_bytes());
    }
    reach
}

#[test]
fn the_most_specific_entry_decides() {
    let path_rules = cover(
        &["/usr", "/usr/bin", "/usr/*/x", "/usr/bin/x", "/home/*/.ssh"],
        &[],
    );
    let cases = [
        ("/", Reach::Leads),
        ("/usr", Reach::Covered(0)),
        ("/usr/lib/y", Reach::Covered(0)),
        ("/usr/bin", Reach::Covered(1)),
        ("/usr/bin/x", Reach::Covered(3)),
        ("/usr/bin/x/y/z", Reach::Covered(3)),
        ("/usr/lib/x", Reach::Covered(2)),
        ("/home", Reach::Leads),
        ("/home/ec2-user", Reach::Leads),
        ("/home/ec2-user/.ssh/authorized_keys", Reach::Covered(4)),
        ("/home/ec2-user/.bashrc", Reach::Outside),
        ("/opt", Reach::Outside),
    ];
    for (path, expected) in cases {
        assert_eq!(reach(&path_rules, path), expected, "{path}");
    }
}

#[test]
fn among_equals_the_later_and_literal_beats_glob() {
    assert_eq!(
        reach(&cover(&["/a/b", "/a/*"], &[]), "/a/b"),
        Reach::Covered(0)
    );
    assert_eq!(
        reach(&cover(&["/a/?", "/a/*"], &[]), "/a/b"),
        Reach::Covered(1)
    );
}

#[test]
fn an_exclude_beats_any_entry() {
    let path_rules = cover(
        &["/usr", "/usr/share/doc/x"],
        &["/usr/share/doc/**", "/**/*.pyc"],
    );
    assert_eq!(reach(&path_rules, "/usr/share/doc"), Reach::Covered(0));
    assert_eq!(reach(&path_rules, "/usr/share/doc/x"), Reach::Excluded(0));
    assert_eq!(
        reach(&path_rules, "/usr/lib/deep/a.pyc"),
        Reach::Excluded(1)
    );
    assert_eq!(reach(&path_rules, "/usr/lib/deep/a.py"), Reach::Covered(0));
}

#[test]
fn lines_read_back_equal() {
    let mut first = cover(&["/usr", "/a b/*/ü?"], &["/**/x y/**"]);
    first.rules[1].demand.attributes = [Attribute::Mode, Attribute::Uid].into_iter().collect();
    first.rules[0].demand.launch = true;
    first.rules[0].demand.keep_text = true;
    first.rules[0].demand.cross_mounts = true;
    let writer = |program: &str| Writer {
        program: program.into(),
        contents: vec![[1; 32], [2; 32]],
    };
    first.rules[1].writers = vec![writer("/usr/bin/a b"), writer("/usr/bin/c")];
    let mut second = PathRules::default();
    for line in first.lines() {
        assert!(!line.contains(&b'\n'));
        second.push_line(&line).expect("reads back");
    }
    assert_eq!(first, second);
}

#[test]
fn a_header_holds_no_more_rules_than_may_be_compared() {
    for line in ["cover high all /x", "exclude /x"] {
        let mut rules = PathRules::default();
        for _ in 0..bounds::RULES {
            rules.push_line(line.as_bytes()).expect("as many as may be");
        }
        let error = rules.push_line(line.as_bytes()).expect_err("one too many");
        assert_eq!(error, format!("more than {} entries", bounds::RULES));
    }
}
