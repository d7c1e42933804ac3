# The repositories of our images.

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
  default     = ["edge", "worker", "worker-gpu"]
  description = "A repository for each"
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

resource "aws_ecr_lifecycle_policy" "image" {
  for_each   = aws_ecr_repository.image
  repository = each.value.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep as many as roll-backs need"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 50 }
      action       = { type = "expire" }
    }]
  })
}

output "urls" {
  value = { for image, repository in aws_ecr_repository.image : image => repository.repository_url }
}

output "arns" {
  value = [for repository in aws_ecr_repository.image : repository.arn]
}
