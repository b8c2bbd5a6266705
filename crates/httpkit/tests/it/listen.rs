use httpkit::BindError;

#[tokio::test]
async fn other_machines_are_refused_without_tokens_with_the_reason_and_the_fix() {
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let error = httpkit::bind(host, 0, false).await.unwrap_err();
        assert!(matches!(error, BindError::NotLoopback { .. }), "{error:?}");
        let text = error.to_string();
        assert!(
            text.contains(host) && text.contains("without a tokens file"),
            "{text}"
        );
        assert!(
            text.contains("127.0.0.1") && text.contains("TIDEMARK_TOKENS_FILE"),
            "{text}"
        );
    }
    let open = httpkit::bind("0.0.0.0", 0, true).await.unwrap();
    assert!(open.local_addr().unwrap().ip().is_unspecified());
}

#[tokio::test]
async fn loopback_is_listened_on_by_any_of_its_names() {
    for host in ["127.0.0.1", "localhost", "127.0.0.2"] {
        let listener = httpkit::bind(host, 0, false).await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_loopback(), "{host}");
    }
}

#[tokio::test]
async fn a_port_in_use_names_the_address_and_the_setting() {
    let holder = httpkit::bind("127.0.0.1", 0, false).await.unwrap();
    let port = holder.local_addr().unwrap().port();
    let error = httpkit::bind("127.0.0.1", port, false).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error:?}");
    let text = error.of_service("filestore").to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("FILESTORE_PORT"), "{text}");
}

#[tokio::test]
async fn a_host_that_is_not_here_names_the_setting() {
    let error = httpkit::bind("no.such.host.invalid", 4200, true)
        .await
        .unwrap_err();
    let text = error.of_service("timestore").to_string();
    assert!(text.contains("no.such.host.invalid:4200"), "{text}");
    assert!(text.contains("TIMESTORE_HOST"), "{text}");
}
