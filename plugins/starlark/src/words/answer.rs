//! What a script asks by HTTP, and `answer`: what became of it.

use allocative::Allocative;
use derive_more::Display;
use starlark::{
    environment::{GlobalsBuilder, Methods, MethodsBuilder},
    starlark_module, starlark_simple_value,
    values::{
        Heap, NoSerialize, ProvidesStaticType, StarlarkPagablePanic, StarlarkValue, Value,
        dict::{AllocDict, UnpackDictEntries},
        starlark_value,
        tuple::UnpackTuple,
    },
};
use weir_sdk::policy::{
    self, HttpAnswer,
    http_messages::{HeaderValue, Request, Response, Secret},
};

/// Functions for asking.
#[starlark_module]
pub(super) fn globals(builder: &mut GlobalsBuilder) {
    /// Asks by HTTP; `on_answer` is told, with this tag. False = nothing is asked, for as many
    /// questions as may be are under way: that is nobody's mistake, and passes.
    fn ask(
        url: &str,
        #[starlark(default = "")] tag: &str,
        #[starlark(default = "GET")] method: &str,
        #[starlark(default = UnpackDictEntries::default())] headers: UnpackDictEntries<
            String,
            String,
        >,
        #[starlark(default = UnpackDictEntries::default())] secrets: UnpackDictEntries<
            String,
            UnpackTuple<String>,
        >,
        #[starlark(default = "")] body: &str,
        #[starlark(default = 10_000)] timeout_ms: u64,
    ) -> anyhow::Result<bool> {
        let plain = headers.entries.into_iter().map(|(name, it)| (name, HeaderValue::Plain(it)));
        let mut headers: Vec<_> = plain.collect();
        for (header, parts) in secrets.entries {
            let [prefix, name] = <[String; 2]>::try_from(parts.items).map_err(|_| {
                anyhow::anyhow!(
                    "secrets: expected {{\"{header}\": (\"Bearer \", \"name\")}}: what stands \
                     before the secret, and its name in the grant"
                )
            })?;
            headers.push((header, HeaderValue::Secret(Secret { prefix, name })));
        }
        let request = Request {
            tag: tag.to_owned(),
            method: method.to_owned(),
            url: url.to_owned(),
            headers,
            body: body.as_bytes().to_vec(),
            timeout: timeout_ms,
        };
        match policy::ask(&request) {
            Ok(()) => Ok(true),
            Err(failure) if failure.retryable => Ok(false),
            Err(failure) => Err(anyhow::anyhow!(failure.message)),
        }
    }
}

/// What became of a question.
#[derive(Debug, Display, ProvidesStaticType, NoSerialize, StarlarkPagablePanic, Allocative)]
#[display("answer to {tag}")]
pub(crate) struct Answered {
    tag: String,
    #[allocative(skip)]
    outcome: Result<Response, String>,
}

impl From<&HttpAnswer> for Answered {
    fn from(answer: &HttpAnswer) -> Self {
        let outcome = answer.outcome.clone().map_err(|error| policy::why(&error));
        Self { tag: answer.tag.clone(), outcome }
    }
}

starlark_simple_value!(Answered);
starlark::methods_static!(METHODS = methods);

#[starlark_value(type = "answer")]
impl<'v> StarlarkValue<'v> for Answered {
    fn get_methods() -> Option<&'static Methods> {
        Some(METHODS.methods())
    }
}

impl Answered {
    fn text(&self) -> Option<String> {
        let response = self.outcome.as_ref().ok()?;
        Some(String::from_utf8_lossy(&response.body).into_owned())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// As it was asked.
    #[starlark(attribute)]
    fn tag<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(heap.alloc(this.tag.as_str()))
    }

    /// 100 to 999; None = there is no answer.
    #[starlark(attribute)]
    fn status<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let status = this.outcome.as_ref().ok().map(|it| u32::from(it.status));
        Ok(status.map_or_else(Value::new_none, |it| heap.alloc(it)))
    }

    /// Why there is no answer; None = there is one.
    #[starlark(attribute)]
    fn error<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let error = this.outcome.as_ref().err();
        Ok(error.map_or_else(Value::new_none, |it| heap.alloc(it.as_str())))
    }

    /// By their names, in small letters.
    #[starlark(attribute)]
    fn headers<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let headers = this.outcome.iter().flat_map(|it| &it.headers);
        let text = headers.map(|(name, it)| (name.as_str(), String::from_utf8_lossy(it)));
        Ok(heap.alloc(AllocDict(text.map(|(name, it)| (name, it.into_owned())))))
    }

    /// As text, at most 1 MiB; None = there is no answer.
    #[starlark(attribute)]
    fn body<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        Ok(this.text().map_or_else(Value::new_none, |it| heap.alloc(it)))
    }

    /// The body, which is JSON, as values.
    fn json<'v>(this: &Answered, heap: Heap<'v>) -> anyhow::Result<Value<'v>> {
        let text = this.text().ok_or_else(|| anyhow::anyhow!("there is no answer"))?;
        let value: serde_json::Value = serde_json::from_str(&text)
            .map_err(|error| anyhow::anyhow!("the answer is no JSON: {error}"))?;
        Ok(heap.alloc(value))
    }
}
