"""The stack as a CloudFormation template, made from the same resources that `provision` applies.

resources ──kinds/──▶ properties, field by field ──template.py──▶ logical ids, references, DependsOn
"""

from whatschat_ops.stack.cloudformation.code import CodeObject
from whatschat_ops.stack.cloudformation.exporting import (
    ExportedTemplate,
    Format,
    export_template,
    template_text,
    upload_code,
)

__all__ = ["CodeObject", "ExportedTemplate", "Format", "export_template", "template_text", "upload_code"]
