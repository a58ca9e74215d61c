def report(question, models, kept, folder):
    pass
