"""FastAPI + python-multipart + boto3 under uvicorn, as their own pages show an upload. In an environment of its own."""

import os
import sys
import uuid

import boto3
import uvicorn
from botocore.config import Config
from fastapi import FastAPI, UploadFile

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["S3_ENDPOINT"],
    region_name="us-east-1",
    aws_access_key_id=os.environ["S3_ACCESS_KEY"],
    aws_secret_access_key=os.environ["S3_SECRET_KEY"],
    config=Config(s3={"addressing_style": "path"}, max_pool_connections=200),
)
app = FastAPI()


def upload(file: UploadFile) -> dict[str, str]:
    """In a thread, as boto3 blocks."""
    key = f"fastapi/{uuid.uuid4()}"
    s3.upload_fileobj(file.file, os.environ["S3_BUCKET"], key)
    return {"key": key}


app.add_api_route("/upload", upload, methods=["POST"])

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=False)
