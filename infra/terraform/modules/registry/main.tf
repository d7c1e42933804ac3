# The repositories of our images, from which the clusters of all environments pull, and the role that fills them.

variable "name" {
  type        = string
  description = "Prefix of every name"
}

variable "key_arn" {
  type        = string
  description = "The KMS key that encrypts images"
}

variable "images" {
  type        = set(string)
  default     = ["edge", "edge-app", "worker", "worker-gpu"]
  description = "A repository for each; edge-app is what `spin registry push` pushes"
}

variable "pulled_by" {
  type        = list(string)
  description = "Other accounts whose nodes pull images"
}

variable "copies" {
  type        = object({ region = string, account_id = string })
  default     = null
  description = "Where images are copied to, so that they outlive the region"
}

variable "github_repository" {
  type        = string
  description = "OWNER/NAME of the repository whose release workflow may push images"
}

variable "github_provider_arn" {
  type        = string
  description = "The account's OIDC provider of token.actions.githubusercontent.com"
}

resource "aws_ecr_repository" "image" {
  for_each             = var.images
  name                 = "${var.name}/${each.key}"
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }
}

resource "aws_ecr_repository_policy" "image" {
  for_each   = length(var.pulled_by) > 0 ? aws_ecr_repository.image : {}
  repository = each.value.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OtherEnvironmentsPull"
      Effect    = "Allow"
      Principal = { AWS = [for account in var.pulled_by : "arn:aws:iam::${account}:root"] }
      Action    = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}

# One for the account and the region.
resource "aws_ecr_replication_configuration" "copies" {
  count = var.copies == null ? 0 : 1
  replication_configuration {
    rule {
      destination {
        region      = var.copies.region
        registry_id = var.copies.account_id
      }
      repository_filter {
        filter      = "${var.name}/"
        filter_type = "PREFIX_MATCH"
      }
    }
  }
}

# A release is one tag, an index; without tags, the image and the attestation that the index names; and a tag of the
# signature. So each kind is counted by itself, and those of 50 releases fit into each number.
resource "aws_ecr_lifecycle_policy" "image" {
  for_each   = aws_ecr_repository.image
  repository = each.value.name
  policy = jsonencode({
    rules = [for priority, rule in [
      {
        description = "Keep as many releases as roll-backs need"
        selection   = { tagStatus = "tagged", tagPrefixList = ["v"], countType = "imageCountMoreThan", countNumber = 50 }
      },
      {
        description = "Keep their signatures, sha256-DIGEST.sig"
        selection   = { tagStatus = "tagged", tagPrefixList = ["sha256-"], countType = "imageCountMoreThan", countNumber = 200 }
      },
      {
        description = "Keep what their indexes name"
        selection   = { tagStatus = "untagged", countType = "imageCountMoreThan", countNumber = 200 }
      },
    ] : merge({ rulePriority = priority + 1, action = { type = "expire" } }, rule)]
  })
}

resource "aws_iam_role" "ci" {
  name        = "${var.name}-ci"
  path        = "/framelift/"
  description = "Pushes images from ${var.github_repository}'s protected tags"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = var.github_provider_arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = "repo:${var.github_repository}:environment:release"
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "ci" {
  name = "push"
  role = aws_iam_role.ci.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # ECR gives this token for the whole registry; there is nothing narrower to name.
        Sid      = "LogIn"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        # Pulling as well: the app is pushed by the Spin of the edge's image, and signatures are looked at.
        Sid    = "PushImages"
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
          "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = [for repository in aws_ecr_repository.image : repository.arn]
      },
    ]
  })
}

output "urls" {
  value = { for image, repository in aws_ecr_repository.image : image => repository.repository_url }
}

output "ci_role_arn" {
  value = aws_iam_role.ci.arn
}

output "policy" {
  description = "What CI may do, for the tests"
  value       = aws_iam_role_policy.ci.policy
}
