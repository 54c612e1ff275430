//! `docket clock`.

use docket::ListFilter;
use serde_json::json;

use crate::args::{Format, Place};
use crate::end::Outcome;
use crate::place::Accept;
use crate::{output, shapes};

/// Shows the docket's time relative to the store's clock.
pub(crate) async fn show(place: &Place, format: Format) -> Outcome {
    let docket = place.open_shared("clock", Accept::Any).await?;
    let page = docket.store().list(&ListFilter::default(), None, 1).await?;
    if format.json {
        let offset_ms = u64::try_from(page.clock.offset.as_millis()).unwrap_or(u64::MAX);
        output::json(&json!({ "now": page.now.to_string(), "offset_ms": offset_ms, "steps": page.clock.steps }))?;
        return Ok(());
    }
    output::line(&format!("now     {}", page.now))?;
    output::line(&format!("offset  {}", shapes::age(page.clock.offset)))?;
    output::line(&format!("steps   {}", page.clock.steps))?;
    if page.clock.is_off() {
        output::remark(&page.clock.finding().advice);
    }
    Ok(())
}

/// Resets the offset to zero, and prints its value before.
pub(crate) async fn settle(place: &Place) -> Outcome {
    let docket = place.open_shared("clock", Accept::Any).await?;
    let offset = docket.store().settle_clock().await?;
    output::line(&shapes::age(offset))?;
    Ok(())
}
