//! Searches: what filters find, in which order, page by page.

use rookery_tracking::{
    CreateExperiment, CreateRun, Dataset, DatasetId, DatasetInput, ErrorCode, LogBatch, LogInputs, Param,
    RunStatus, SearchExperiments, SearchRuns, Tag, UpdateRun, ViewType,
};

use crate::fixture::{Fixture, START_MS, metric, metrics, params, run_in, search, tags};

/// Makes a run with that name, started so many milliseconds after the others.
async fn named(fixture: &Fixture, name: &str, start_ms: i64, logged: LogBatch) -> String {
    let request = CreateRun {
        run_name: Some(name.to_owned()),
        start_time_ms: START_MS + start_ms,
        ..run_in("0")
    };
    let run_id = fixture.store.create_run(request).await.unwrap().info.run_id;
    fixture.store.log_batch(&run_id, logged).await.unwrap();
    run_id
}

async fn found(fixture: &Fixture, filter: &str) -> Vec<String> {
    fixture.run_names(filter, &["run_name"], 100).await
}

pub(super) async fn filters_find_what_they_say(fixture: Fixture) {
    let store = &fixture.store;
    let logged = |loss: f64, lr: &str, team: &str| LogBatch {
        metrics: vec![
            metric("loss", loss + 1.0, 1),
            metric("loss", loss, 2),
            metric("my loss", loss, 1),
        ],
        params: vec![Param::new("lr", lr)],
        tags: vec![Tag::new("team", team)],
        ..LogBatch::default()
    };
    let a = named(&fixture, "a", 1, logged(0.1, "0.01", "Blue")).await;
    let b = named(&fixture, "b", 2, logged(0.2, "0.02", "blue")).await;
    named(&fixture, "c", 3, logged(f64::NAN, "0.01", "red")).await;
    store
        .update_run(&b, UpdateRun::end(RunStatus::Finished, START_MS + 50))
        .await
        .unwrap();
    let dataset = Dataset {
        id: DatasetId {
            name: "penguins".to_owned(),
            digest: "123".to_owned(),
        },
        source_type: "local".to_owned(),
        source: "x".to_owned(),
        schema: None,
        profile: None,
    };
    let inputs = LogInputs {
        datasets: vec![DatasetInput {
            dataset,
            tags: vec![Tag::new("mlflow.data.context", "train")],
        }],
        models: Vec::new(),
    };
    store.log_inputs(&a, inputs).await.unwrap();

    let by_id = format!("run_id IN ('{a}', '{b}')");
    let after_first = format!("start_time > {}", START_MS + 1);
    let between = format!(
        "start_time >= {}.5 AND start_time < {}",
        START_MS + 1,
        START_MS + 3
    );
    for (filter, expected) in [
        ("", "abc"),
        ("metrics.loss < 0.15", "a"),
        ("metrics.loss <= 0.2", "ab"),
        ("metrics.loss = 0.2", "b"),
        ("metrics.loss != 0.2", "ac"),
        ("metrics.`my loss` >= 0.1 AND params.lr = '0.01'", "a"),
        ("metrics_max.loss > 1.15", "b"),
        ("metrics_min.loss < 0.15", "a"),
        ("params.lr = '0.01'", "ac"),
        ("params.lr != '0.01'", "b"),
        ("params.lr LIKE '0.0_'", "abc"),
        ("tags.team = 'blue'", "b"),
        ("tags.team ILIKE 'BLU%'", "ab"),
        ("tags.team LIKE 'B%'", "a"),
        ("status = 'FINISHED'", "b"),
        ("status != 'FINISHED'", "ac"),
        ("status = 'nonsense'", ""),
        ("attributes.run_name LIKE '%'", "abc"),
        ("run_name = 'c' AND tags.team = 'red' AND params.lr = '0.01'", "c"),
        ("user_id = 'ada'", "abc"),
        ("end_time > 0", "b"),
        ("datasets.name = 'penguins' AND datasets.digest LIKE '12%'", "a"),
        ("dataset.context = 'train'", "a"),
        ("dataset.context = 'test'", ""),
        (&by_id, "ab"),
        (&after_first, "bc"),
        (&between, "b"),
    ] {
        assert_eq!(found(&fixture, filter).await.concat(), expected, "{filter}");
    }
}

pub(super) async fn what_is_missing_satisfies_no_comparison(fixture: Fixture) {
    named(&fixture, "bare", 1, LogBatch::default()).await;
    let logged = LogBatch {
        metrics: vec![metric("m", f64::NAN, 1)],
        tags: vec![Tag::new("t", "")],
        ..params(&[("p", "1")])
    };
    named(&fixture, "full", 2, logged).await;
    for (filter, expected) in [
        ("metrics.m != 1", &["full"][..]),
        ("metrics.m >= 0", &[]),
        ("metrics_max.m != 1", &[]),
        ("params.p != '2'", &["full"]),
        ("tags.t != '2'", &["full"]),
        ("tags.t LIKE '%'", &["full"]),
        ("params.p IS NULL", &["bare"]),
        ("params.p IS NOT NULL", &["full"]),
        ("tags.t IS NULL", &["bare"]),
        ("datasets.name != 'x'", &[]),
        ("end_time != 5", &[]),
    ] {
        assert_eq!(found(&fixture, filter).await, expected, "{filter}");
    }
}

/// A backslash means itself in both databases, and nobody writes SQL.
pub(super) async fn patterns_have_no_escapes(fixture: Fixture) {
    named(&fixture, "a", 1, tags(&[("t", r"C:\temp\100%")])).await;
    named(&fixture, "b", 2, tags(&[("t", "C:/temp/1000")])).await;
    named(&fixture, "c", 3, tags(&[("t", "x' OR 1=1 --")])).await;
    named(&fixture, "d", 4, tags(&[("t", "ÜBER")])).await;
    for (filter, expected) in [
        (r"tags.t LIKE 'C:\temp\%'", "a"),
        (r"tags.t LIKE '%\100\%'", ""),
        (r"tags.t LIKE '%100_'", "ab"),
        (r"tags.t LIKE '%\\%'", ""),
        (r"tags.t = 'C:\temp\100%'", "a"),
        (r#"tags.t = "x' OR 1=1 --""#, "c"),
        (r#"tags.t LIKE "%' OR%""#, "c"),
        ("tags.t ILIKE 'über'", "d"),
        ("tags.t LIKE 'über'", ""),
    ] {
        assert_eq!(found(&fixture, filter).await.concat(), expected, "{filter}");
    }
}

pub(super) async fn an_order_puts_nan_and_what_is_missing_last(fixture: Fixture) {
    named(&fixture, "none", 1, LogBatch::default()).await;
    named(&fixture, "nan", 2, metrics([metric("m", f64::NAN, 1)])).await;
    named(&fixture, "two", 3, metrics([metric("m", 2.0, 1)])).await;
    named(&fixture, "inf", 4, metrics([metric("m", f64::INFINITY, 1)])).await;
    named(&fixture, "low", 5, metrics([metric("m", f64::NEG_INFINITY, 1)])).await;
    let by = async |term: &str| fixture.run_names("", &[term], 2).await;
    assert_eq!(by("metrics.m ASC").await, ["low", "two", "inf", "nan", "none"]);
    assert_eq!(by("metrics.m DESC").await, ["inf", "two", "low", "nan", "none"]);
    // Nobody has it: the newest first.
    assert_eq!(by("params.p DESC").await, ["low", "inf", "two", "nan", "none"]);
    assert_eq!(by("end_time").await, ["low", "inf", "two", "nan", "none"]);
}

/// Many ties, NaNs and gaps, in two experiments: enough that every kind of page end occurs.
async fn many(fixture: &Fixture, count: i64) {
    let lab = fixture
        .store
        .get_or_create_experiment("lab")
        .await
        .unwrap()
        .experiment_id;
    for number in 0..count {
        let mut logged = LogBatch::default();
        match number % 5 {
            0 => {}
            1 => logged.metrics.push(metric("m", f64::NAN, 1)),
            rest => logged.metrics.push(metric("m", 0.1 * rest as f64, 1)),
        }
        if number % 3 > 0 {
            logged.metrics.push(metric("n", (number % 4) as f64, 1));
            logged.params.push(Param::new("p", number % 4));
            logged.tags.push(Tag::new("t", number % 2));
        }
        let request = CreateRun {
            run_name: Some(format!("run {number}")),
            start_time_ms: START_MS + number / 3,
            user_id: if number % 2 == 0 { "ada" } else { "" }.to_owned(),
            ..run_in(if number % 4 == 0 { &lab } else { "0" })
        };
        let run_id = fixture.store.create_run(request).await.unwrap().info.run_id;
        fixture.store.log_batch(&run_id, logged).await.unwrap();
        if number % 7 == 0 {
            let end = UpdateRun::end(RunStatus::Finished, START_MS + 1000 + number % 2);
            fixture.store.update_run(&run_id, end).await.unwrap();
        }
    }
}

const ORDERS: [&[&str]; 16] = [
    &[],
    &["start_time ASC"],
    &["run_id DESC"],
    &["run_name"],
    &["status", "user_id DESC"],
    &["end_time"],
    &["end_time DESC", "metrics.m"],
    &["metrics.m"],
    &["metrics.m DESC"],
    &["metrics.m DESC", "metrics.n"],
    &["metrics_max.m", "params.p DESC"],
    &["metrics_min.m DESC"],
    &["params.p"],
    &["params.p DESC", "tags.t", "metrics.m"],
    &["tags.t DESC"],
    &["tags.none", "metrics.none"],
];

const SCOPED_FILTERS: [&str; 7] = [
    "",
    " AND metrics.m > 0.25",
    " AND metrics.m != 0.4",
    " AND metrics.m <= 0.4 AND metrics.m > 0.2",
    " AND metrics.n >= 1 AND params.p = '1'",
    " AND metrics.m >= 0.2 AND params.p = '2' AND tags.t = '1'",
    " AND metrics_max.m >= 0.2 AND metrics.none < 1",
];

pub(super) async fn every_order_is_the_same_at_every_page_size(fixture: Fixture) {
    many(&fixture, 23).await;
    for order in ORDERS {
        let whole = fixture.run_names("", order, 1000).await;
        assert_eq!(whole.len(), 23);
        for max_results in [1, 2, 3, 7, 22, 23, 24] {
            let paged = fixture.run_names("", order, max_results).await;
            assert_eq!(paged, whole, "{order:?} in pages of {max_results}");
        }
        let filtered = fixture.run_names("metrics.n > 0", order, 2).await;
        assert_eq!(filtered.len(), 11, "{order:?}");
        let expected: Vec<_> = whole.into_iter().filter(|name| filtered.contains(name)).collect();
        assert_eq!(filtered, expected, "{order:?}");
    }
}

/// A search among few runs sorts them, one among many walks an index: both answer alike, and read each other's tokens.
pub(super) async fn few_and_many_runs_are_sorted_alike(fixture: Fixture) {
    many(&fixture, 40).await;
    let mut few = Vec::new();
    for order in ORDERS {
        few.push(fixture.run_names("", order, 1000).await);
    }
    let request = SearchRuns {
        experiment_ids: Some(vec!["0".to_owned(), "1".to_owned()]),
        search: search("", &["metrics.m DESC"], 5),
        ..SearchRuns::default()
    };
    let first_page = fixture.store.search_runs(request.clone()).await.unwrap();
    // Enough others that the database is no longer small; the filter leaves them out again.
    for number in 0..2100 {
        let request = CreateRun {
            run_name: Some(format!("other {number}")),
            start_time_ms: START_MS - number,
            tags: vec![Tag::new("kind", "other")],
            ..run_in("0")
        };
        let run_id = fixture.store.create_run(request).await.unwrap().info.run_id;
        if number == 2000 {
            let logged = metrics([metric("m", 0.25, 1)]);
            fixture.store.log_batch(&run_id, logged).await.unwrap();
        }
    }
    for (order, few) in ORDERS.iter().zip(few) {
        let among_many = fixture.run_names("run_name LIKE 'run %'", order, 9).await;
        assert_eq!(among_many, few, "{order:?}");
        let few_by_index = fixture.run_names("metrics.n >= 0", order, 9).await;
        let expected: Vec<_> = few
            .into_iter()
            .filter(|name| few_by_index.contains(name))
            .collect();
        assert_eq!(few_by_index, expected, "{order:?}");
    }
    // In one experiment, whether it holds few runs or many, as in both.
    for filter in SCOPED_FILTERS {
        for order in ORDERS {
            let filter = format!("run_name LIKE 'run %'{filter}");
            let in_both = fixture.run_names(&filter, order, 1000).await;
            for experiment in ["0", "1"] {
                let in_one = fixture.run_names_in(Some(&[experiment]), &filter, order, 4).await;
                let is_lab = |name: &str| name["run ".len()..].parse::<i64>().unwrap() % 4 == 0;
                let expected = in_both.iter().filter(|name| is_lab(name) == (experiment == "1"));
                assert!(
                    expected.eq(&in_one),
                    "{filter} {order:?} in {experiment}: {in_one:?}"
                );
            }
        }
    }
    // Too many to be sorted one by one, few enough to be collected.
    for order in [&["metrics.m"][..], &["tags.none"], &[]] {
        let collected = fixture.run_names("tags.kind = 'other'", order, 1000).await;
        let looked_at = fixture.run_names("run_name LIKE 'other %'", order, 1000).await;
        assert_eq!(collected.len(), 2100);
        assert_eq!(collected, looked_at, "{order:?}");
    }
    let mut next = request;
    next.search.page_token = first_page.next_page_token;
    let second = fixture.store.search_runs(next).await.unwrap().items;
    let last = first_page.items.last().unwrap().metric("m").unwrap();
    assert!(second[0].metric("m").unwrap() <= last);
}

pub(super) async fn tokens_belong_to_their_search(fixture: Fixture) {
    many(&fixture, 6).await;
    let request = |filter: &str, order: &[&str], page_token: Option<String>| {
        let mut search = search(filter, order, 2);
        search.page_token = page_token;
        SearchRuns {
            search,
            ..SearchRuns::default()
        }
    };
    let page = fixture
        .store
        .search_runs(request("", &["metrics.m"], None))
        .await
        .unwrap();
    let token = page.next_page_token.unwrap();
    assert!(
        fixture
            .store
            .search_runs(request("", &["metrics.m"], Some(token.clone())))
            .await
            .is_ok()
    );
    let other_view = SearchRuns {
        view: ViewType::All,
        ..request("", &["metrics.m"], Some(token.clone()))
    };
    let foreign = [
        request("", &["metrics.m DESC"], Some(token.clone())),
        request("", &[], Some(token.clone())),
        request("params.p = '1'", &["metrics.m"], Some(token.clone())),
        other_view,
    ];
    for request in foreign {
        let error = fixture.store.search_runs(request).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "Invalid page token: it was not made by this search"
        );
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue);
    }
    for token in ["x", "12", "x:y", "e30", "ä", &token[1..]] {
        let error = fixture
            .store
            .search_runs(request("", &["metrics.m"], Some(token.to_owned())))
            .await
            .unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameterValue, "{token:?}");
    }
}

pub(super) async fn bad_searches_are_refused(fixture: Fixture) {
    for (filter, order) in [
        ("metrics.m > 'x'", None),
        ("params.p = 1", None),
        ("nothing.m = 1", None),
        ("name LIKE", None),
        ("", Some("metrics.m sideways")),
        ("", Some("; DROP TABLE runs")),
    ] {
        let request = SearchRuns {
            search: search(filter, &Vec::from_iter(order), 10),
            ..SearchRuns::default()
        };
        let error = fixture.store.search_runs(request).await.unwrap_err();
        assert_eq!(
            error.code(),
            ErrorCode::InvalidParameterValue,
            "{filter} {order:?}"
        );
    }
}

pub(super) async fn experiments_are_searched_too(fixture: Fixture) {
    let store = &fixture.store;
    for name in ["alpha", "beta", "gamma"] {
        fixture.environment.advance_ms(1);
        let request = CreateExperiment {
            tags: vec![Tag::new("length", name.len())],
            ..CreateExperiment::named(name)
        };
        store.create_experiment(request).await.unwrap();
    }
    store.delete_experiment("3").await.unwrap();
    let find = async |filter: &str, order: &[&str], view: ViewType| {
        let mut names = Vec::new();
        let mut request = SearchExperiments {
            view,
            search: search(filter, order, 1),
        };
        loop {
            let page = store.search_experiments(request.clone()).await.unwrap();
            names.extend(page.items.into_iter().map(|experiment| experiment.name));
            let Some(token) = page.next_page_token else {
                return names.join(" ");
            };
            request.search.page_token = Some(token);
        }
    };
    let active = ViewType::ActiveOnly;
    assert_eq!(find("", &[], active).await, "beta alpha Default");
    assert_eq!(find("", &[], ViewType::All).await, "gamma beta alpha Default");
    assert_eq!(find("", &[], ViewType::DeletedOnly).await, "gamma");
    assert_eq!(find("name LIKE '%a'", &["name"], active).await, "alpha beta");
    assert_eq!(find("tags.length = '5'", &[], ViewType::All).await, "gamma alpha");
    assert_eq!(
        find("experiment_id IN ('0', '2')", &["experiment_id"], active).await,
        "Default beta"
    );
    assert_eq!(
        find(&format!("creation_time > {}", START_MS + 1), &[], active).await,
        "beta"
    );
}
