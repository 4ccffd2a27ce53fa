"""The application's .env files: the guide's variables for a provisioned stack.

variables   settings and outputs of the stack -> the variables of backend and frontend
dotenv      variables -> text of a .env file, new or merged into an existing one
"""
