// Express + multer-s3, as its own page shows it. Its packages lie in a folder that the program made.
import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(process.cwd() + "/");
const express = require("express");
const multer = require("multer");
const multerS3 = require("multer-s3");
const { S3Client } = require("@aws-sdk/client-s3");

const s3 = new S3Client({
  endpoint: process.env.S3_ENDPOINT,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: process.env.S3_ACCESS_KEY, secretAccessKey: process.env.S3_SECRET_KEY },
});
const storage = multerS3({
  s3,
  bucket: process.env.S3_BUCKET,
  key: (request, file, done) => done(null, `express/${randomUUID()}`),
});
const app = express();
app.post("/upload", multer({ storage }).single("file"), (request, response) => response.json({ key: request.file.key }));
app.listen(Number(process.argv[2]), "127.0.0.1");
