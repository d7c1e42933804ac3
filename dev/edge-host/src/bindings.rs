//! The host traits generated from `wit/`: the key-value and variables interfaces of Spin.

wasmtime::component::bindgen!({
    path: "wit",
    world: "framelift:edge-host/host",
    imports: {
        "spin:key-value/key-value": store | trappable,
        "spin:variables/variables": store | trappable,
        default: async | trappable,
    },
    with: {
        "spin:key-value/key-value.store": crate::kv::OpenStore,
        "wasi:keyvalue/store.bucket": crate::kv::OpenStore,
        "wasi:keyvalue/atomics.cas": crate::kv::CasHandle,
    },
    require_store_data_send: true,
});
