<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en">
<context>
    <name>hearth::app::Application</name>
    <message numerus="yes">
        <source>The context is full: the model no longer reads the oldest %n message(s).</source>
        <translation>
            <numerusform>The context is full: the model no longer reads the oldest message.</numerusform>
            <numerusform>The context is full: the model no longer reads the oldest %n messages.</numerusform>
        </translation>
    </message>
</context>
</TS>
