# The bucket of uploads and results.

variable "bucket" {
  type        = string
  description = "The bucket's name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts objects"
}

variable "page_origins" {
  type        = list(string)
  description = "Origins of the pages that upload from a browser, https://app.example.com"
}

variable "uploads_days" {
  type        = number
  default     = 30
  description = "Days after which an upload goes, whatever the sweep did; longer than any run may use it"
}

variable "results_days" {
  type        = number
  default     = 14
  description = "Days after which a result goes, whatever the sweep did; longer than retention_s"
}

variable "abort_multipart_days" {
  type        = number
  default     = 1
  description = "Days after which an upload in parts that nobody completed is aborted; not shorter than upload_ttl_s"
}

resource "aws_s3_bucket" "this" {
  # checkov:skip=CKV_AWS_18:access logs would hold presigned URLs with their signatures; CloudTrail's data events do not
  # checkov:skip=CKV_AWS_21:versions would keep what users delete
  # checkov:skip=CKV_AWS_144:results can be made again, and a second region would keep what users delete
  # checkov:skip=CKV2_AWS_62:the edge asks for an object where it needs to know; nothing listens for events
  bucket = var.bucket
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket     = aws_s3_bucket.this.id
  depends_on = [aws_s3_bucket_public_access_block.this]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::${var.bucket}", "arn:aws:s3:::${var.bucket}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "NewTlsOnly"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = ["arn:aws:s3:::${var.bucket}", "arn:aws:s3:::${var.bucket}/*"]
        Condition = { NumericLessThan = { "s3:TlsVersion" = "1.2" } }
      },
    ]
  })
}

resource "aws_s3_bucket_cors_configuration" "this" {
  count  = length(var.page_origins) > 0 ? 1 : 0
  bucket = aws_s3_bucket.this.id
  cors_rule {
    id              = "page"
    allowed_origins = var.page_origins
    allowed_methods = ["PUT", "GET"]
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3600
  }
}

# A second net under the sweep's own cleaning.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    id     = "abort-multipart"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = var.abort_multipart_days
    }
  }
  rule {
    id     = "expire-uploads"
    status = "Enabled"
    filter {
      prefix = "uploads/"
    }
    expiration {
      days = var.uploads_days
    }
  }
  rule {
    id     = "expire-results"
    status = "Enabled"
    filter {
      prefix = "results/"
    }
    expiration {
      days = var.results_days
    }
  }
}

output "bucket" {
  value = aws_s3_bucket.this.bucket
}

output "bucket_arn" {
  value = aws_s3_bucket.this.arn
}

output "bucket_domain" {
  value = aws_s3_bucket.this.bucket_regional_domain_name
}
