//! Reads the time off every answer of a store's that comes through the SDK.

use std::sync::Arc;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use tokio::time::Instant;

use crate::store_clocks::{ClockOf, Clocks};

/// An interceptor for the clients of one store.
#[derive(Debug)]
pub(crate) struct ReadsDates {
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) of: ClockOf,
}

/// When this attempt was sent.
#[derive(Debug)]
struct SentAt(Instant);

impl Storable for SentAt {
    type Storer = StoreReplace<Self>;
}

impl Intercept for ReadsDates {
    fn name(&self) -> &'static str {
        "ReadsDates"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        cfg.interceptor_state().store_put(SentAt(Instant::now()));
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(SentAt(sent)) = cfg.load::<SentAt>() {
            let answer = context.response();
            self.clocks.answered(&self.of, *sent, answer.status().as_u16(), |name| answer.headers().get(name));
        }
        Ok(())
    }
}
