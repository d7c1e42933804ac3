# The bucket: private, by TLS alone, encrypted, and cleaned up after what forgot to.

mock_provider "aws" {}

variables {
  bucket       = "framelift-test"
  key_arn      = "arn:aws:kms:us-east-1:123456789012:key/1"
  page_origins = ["https://frames.example.com"]
}

run "bucket" {
  module {
    source = "../modules/storage"
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "public access is not blocked in all four ways"
  }
  assert {
    condition = anytrue([
      for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*"
      && try(statement.Condition.Bool["aws:SecureTransport"], "") == "false"
      && toset(statement.Resource) == toset(["arn:aws:s3:::framelift-test", "arn:aws:s3:::framelift-test/*"])
    ])
    error_message = "the bucket is open without TLS"
  }
  assert {
    condition     = alltrue([for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement : statement.Effect == "Deny"])
    error_message = "the bucket's policy allows something; roles do that"
  }
  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
      && one(rule.apply_server_side_encryption_by_default).kms_master_key_id == "arn:aws:kms:us-east-1:123456789012:key/1"
    ])
    error_message = "objects are not encrypted with our key"
  }
  assert {
    condition = tolist([
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.abort_incomplete_multipart_upload).days_after_initiation
      if rule.id == "abort-multipart" && rule.status == "Enabled"
    ]) == tolist([1])
    error_message = "unfinished uploads are not aborted after a day"
  }
  assert {
    condition = tomap({
      for rule in aws_s3_bucket_lifecycle_configuration.this.rule : one(rule.filter).prefix => one(rule.expiration).days
      if rule.status == "Enabled" && length(rule.expiration) > 0
    }) == tomap({ "uploads/" = 30, "results/" = 14 })
    error_message = "uploads or results expire after another time, or something else does"
  }
  assert {
    condition = alltrue([
      for rule in aws_s3_bucket_cors_configuration.this[0].cors_rule :
      toset(rule.allowed_origins) == toset(["https://frames.example.com"])
      && toset(rule.allowed_methods) == toset(["GET", "PUT"]) && contains(rule.expose_headers, "ETag")
    ])
    error_message = "pages of other origins may upload, or ours cannot"
  }
}

run "no_page_no_cors" {
  command = plan
  module {
    source = "../modules/storage"
  }
  variables {
    page_origins = []
  }
  assert {
    condition     = length(aws_s3_bucket_cors_configuration.this) == 0
    error_message = "a bucket without a page has a CORS rule"
  }
}
