"""The desk: the pager's landing page. It keeps what Alertmanager sends and shows what to do."""
