"""What an S3 server and the way to it can answer, in words for whoever runs the product. No address, key or link."""

from types import MappingProxyType

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)

from photochanger.adapters.storage.store import StorageUnavailable

_SERVER_ERROR = 500
UNKNOWN_UPLOAD = "NoSuchUpload"
MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_SLOW = "the store does not answer in time: check the network and the store's load"
_BUSY = "the store is overloaded: give it fewer uploads or more power"
_RIGHTS = "the store does not let this access key in: check its rights to the bucket, S3_BUCKET and S3_ACCESS_KEY"
_REGION = "the bucket lies in another region: check S3_REGION"
_DAMAGED = "bytes were damaged on their way to the store: check the network"
NO_BUCKET = "there is no such bucket: check S3_BUCKET, or make it with `photochanger storage init`"
_REASONS = MappingProxyType(
    {
        "AccessDenied": _RIGHTS,
        "403": _RIGHTS,
        "InvalidAccessKeyId": "the store does not know this access key: check S3_ACCESS_KEY",
        "SignatureDoesNotMatch": "the secret key is wrong: check S3_SECRET_KEY",
        "RequestTimeTooSkewed": "this machine's clock and the store's differ too much: switch on time synchronisation",
        "NoSuchBucket": NO_BUCKET,
        "InvalidBucketName": "the bucket's name is none: check S3_BUCKET",
        "PermanentRedirect": _REGION,
        "AuthorizationHeaderMalformed": _REGION,
        "SlowDown": _BUSY,
        "ServiceUnavailable": _BUSY,
        "503": _BUSY,
        "BadDigest": _DAMAGED,
        "XAmzContentChecksumMismatch": _DAMAGED,
        "XAmzContentSHA256Mismatch": _DAMAGED,
        "QuotaExceeded": "the bucket is full: free some space or raise its quota",
        UNKNOWN_UPLOAD: "the upload was aborted",
    }
)
_REPEATABLE = frozenset(
    {
        *("SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "Throttling", "429"),
        *("BadDigest", "XAmzContentChecksumMismatch", "IncompleteBody", "OperationAborted"),
    }
)


class S3Failed(StorageUnavailable):
    """`server_code` is empty where none answered; `is_refusal` when it surely did not do what was asked."""

    def __init__(self, error: Exception) -> None:
        super().__init__(_reason(error))
        self.server_code = code_of(error)
        self.is_refusal = isinstance(error, ClientError) and _status(error) < _SERVER_ERROR
        self.is_repeatable = (
            self.server_code in _REPEATABLE
            or (isinstance(error, ClientError) and not self.is_refusal)
            or (isinstance(error, BotoCoreError | OSError) and not isinstance(error, ConnectTimeoutError | SSLError))
        )


def code_of(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", _SERVER_ERROR))


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        code = code_of(error)
        if code in _REASONS:
            return _REASONS[code]
        name = code if code.isascii() and code.isalnum() else "without a code"
        return f"the store answered {_status(error)} ({name}): see the store's log"
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError | TimeoutError):
        return _SLOW
    if isinstance(error, SSLError):
        return "the store's certificate is not accepted, or it speaks no TLS: check S3_ENDPOINT and S3_USE_SSL"
    if isinstance(error, EndpointConnectionError):
        return "nothing answers at the store's address: check S3_ENDPOINT, and that the store runs"
    if isinstance(error, ConnectionClosedError | OSError):
        return "the store broke the connection: check the network, and that the store runs"
    return f"the store's answer cannot be used ({type(error).__name__}): check S3_ENDPOINT"
