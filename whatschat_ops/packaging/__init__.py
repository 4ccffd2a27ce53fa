"""Code for Lambda as byte-reproducible zips."""

from whatschat_ops.packaging.builtin import FunctionPackage, build_function_zip

__all__ = ["FunctionPackage", "build_function_zip"]
