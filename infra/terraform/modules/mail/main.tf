# The domain that mails are sent from, and the user that the workers log in to SES's SMTP server as.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "domain" {
  type        = string
  description = "The sender's domain"
}

variable "from" {
  type        = string
  description = "The only sender that the SMTP user may use, no-reply@example.com"
}

variable "region" {
  type        = string
  description = "Region of the SMTP server"
}

resource "aws_ses_domain_identity" "this" {
  domain = var.domain
}

resource "aws_ses_domain_dkim" "this" {
  domain = aws_ses_domain_identity.this.domain
}

# The user's access key is made by hand (see docs/operations.md), so that no secret is in Terraform's state.
resource "aws_iam_user" "smtp" {
  # checkov:skip=CKV_AWS_273:SES's SMTP server takes the access keys of users alone
  name = "${var.name}-smtp"
  path = "/framelift/"
}

resource "aws_iam_group" "smtp" {
  name = "${var.name}-smtp"
  path = "/framelift/"
}

resource "aws_iam_user_group_membership" "smtp" {
  user   = aws_iam_user.smtp.name
  groups = [aws_iam_group.smtp.name]
}

resource "aws_iam_group_policy" "smtp" {
  name  = "send"
  group = aws_iam_group.smtp.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "SendAsOneSender"
      Effect    = "Allow"
      Action    = "ses:SendRawEmail"
      Resource  = aws_ses_domain_identity.this.arn
      Condition = { StringEquals = { "ses:FromAddress" = var.from } }
    }]
  })
}

output "smtp_host" {
  value = "email-smtp.${var.region}.amazonaws.com"
}

output "smtp_user" {
  value = aws_iam_user.smtp.name
}

output "dns_records" {
  description = "What the domain's zone must hold"
  value = concat(
    [{ name = "_amazonses.${var.domain}", type = "TXT", value = aws_ses_domain_identity.this.verification_token }],
    [for token in aws_ses_domain_dkim.this.dkim_tokens : {
      name  = "${token}._domainkey.${var.domain}"
      type  = "CNAME"
      value = "${token}.dkim.amazonses.com"
    }],
  )
}
