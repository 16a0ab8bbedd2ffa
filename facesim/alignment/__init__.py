"""Face alignment: detected faces and landmarks -> crops; runs without torch."""
