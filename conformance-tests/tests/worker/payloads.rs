//! Args and results: refusals when they are written, and errors when they cannot be decoded.

use std::sync::Arc;
use std::time::Duration;

use docket_core::{
    Context, ErrorKind, Failure, NewTask, Payload, Registry, Settings, Store, Task, TaskKey, TaskName, TaskState,
};
use serde::{Deserialize, Serialize};

use crate::cases::{Scene, fast};

/// A payment whose fields can hold values that JSON cannot.
#[derive(Serialize, Deserialize)]
struct Pay {
    rates: Vec<f64>,
    note: serde_json::Value,
    #[serde(flatten)]
    account: Account,
}

#[derive(Serialize, Deserialize)]
struct Account {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wide: Option<u128>,
}

impl Pay {
    fn good() -> Self {
        Self { rates: vec![0.5], note: serde_json::Value::Null, account: Account { id: 7, wide: None } }
    }
}

impl Task for Pay {
    const NAME: &'static str = "pay";
    type Output = f64;

    async fn run(self, _ctx: Context) -> Result<f64, Failure> {
        // Infinite for the account 0.
        Ok(self.rates[0] / f64::from(self.account.id))
    }
}

fn registry() -> Registry {
    let mut registry = Registry::new();
    registry.register::<Pay>().unwrap();
    registry
}

pub(crate) async fn args_that_no_worker_can_read_are_refused_where_they_are_added(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let deep = (0..127).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    for (pay, told) in [
        (Pay { rates: vec![1.0, f64::NAN], ..Pay::good() }, "rates[1] is NaN or infinite"),
        (Pay { rates: vec![f64::NEG_INFINITY], ..Pay::good() }, "rates[0] is NaN or infinite"),
        (Pay { note: deep, ..Pay::good() }, "is nested deeper than 127 levels"),
        (Pay { account: Account { id: 1, wide: Some(u128::MAX) }, ..Pay::good() }, "integers of 128 bits"),
    ] {
        for scheduled in [false, true] {
            let pay = Pay { rates: pay.rates.clone(), note: pay.note.clone(), account: Account { ..pay.account } };
            let add = if scheduled { scene.client.schedule(pay) } else { scene.client.add(pay) };
            let error = add.key("k").await.unwrap_err();
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(told), "{told}: {error}");
            assert!(error.to_string().contains("the args of pay"), "{error}");
        }
    }
    assert!(scene.store.get(&TaskKey::new("k").unwrap()).await.unwrap().is_none());
    scene.client.add(Pay::good()).key("k").await.unwrap();
    let worker = scene.start_with(registry(), fast());
    let result: f64 = scene.until("k", TaskState::Completed).await.result.unwrap().decode().unwrap();
    assert!((result - 0.5 / 7.0).abs() < f64::EPSILON);
    worker.stopped().await;
}

pub(crate) async fn a_result_that_nobody_can_read_is_not_kept_as_another(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.client.add(Pay { account: Account { id: 0, wide: None }, ..Pay::good() }).key("k").await.unwrap();
    let worker = scene.start_with(registry(), fast());
    let view = scene.finished("k").await;
    assert_eq!(view.result, None, "not null, which is another value");
    worker.stopped().await;
}

pub(crate) async fn what_cannot_be_decoded_is_told_without_its_value(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let args = r#"{"rates":["Bearer hush-token"],"note":null,"id":7}"#;
    let mut task = NewTask::new(TaskName::new("pay").unwrap(), Payload::new(args));
    task.key = TaskKey::new("k").unwrap();
    scene.client.add_all(&[task]).await.unwrap().remove(0).unwrap();
    let settings = Settings { undecodable_for: Duration::from_secs(1), ..fast() };
    let worker = scene.start_with(registry(), settings);
    let error = scene.until("k", TaskState::Dead).await.error.unwrap();
    assert!(error.contains("at rates[0]: invalid type, expected f64") && !error.contains("hush"), "{error}");
    worker.stopped().await;
    let payload = Payload::new(r#""hush-token""#);
    let error = payload.decode::<u32>().unwrap_err();
    assert!(error.to_string().contains("as a whole: invalid type, expected u32"), "{error}");
    assert!(!format!("{error:?}").contains("hush"), "{error:?}");
}
