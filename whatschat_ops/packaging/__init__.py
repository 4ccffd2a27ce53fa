"""Code for Lambda as byte-reproducible zips, from the built-in handlers or the application's own folder."""

from whatschat_ops.packaging.builtin import build_count_zip, build_function_zip
from whatschat_ops.packaging.package import FunctionPackage
from whatschat_ops.packaging.sources import build_packages
from whatschat_ops.packaging.worker import build_worker_zip

__all__ = ["FunctionPackage", "build_count_zip", "build_function_zip", "build_packages", "build_worker_zip"]
