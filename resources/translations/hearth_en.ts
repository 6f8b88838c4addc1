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
<context>
    <name>hearth::ui::ChatView</name>
    <message numerus="yes">
        <source>%n new line(s)</source>
        <translation>
            <numerusform>%n new line</numerusform>
            <numerusform>%n new lines</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n character(s)</source>
        <translation>
            <numerusform>%n character</numerusform>
            <numerusform>%n characters</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n oldest message(s) had no room in the context</source>
        <translation>
            <numerusform>The oldest message had no room in the context</numerusform>
            <numerusform>The %n oldest messages had no room in the context</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::DropHint</name>
    <message numerus="yes">
        <source>%n other file(s) left out: no model.</source>
        <translation>
            <numerusform>One other file is left out: it is no model.</numerusform>
            <numerusform>%n other files are left out: they are no models.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Let go to use “%1” in this chat and to list %n more. They are read where they lie.</source>
        <translation>
            <numerusform>Let go to use “%1” in this chat and to list one more. They are read where they lie.</numerusform>
            <numerusform>Let go to use “%1” in this chat and to list %n more. They are read where they lie.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Let go to bring “%1” and %n more, one after the other. You choose how before anything happens.</source>
        <translation>
            <numerusform>Let go to bring “%1” and one more, one after the other. You choose how before anything happens.</numerusform>
            <numerusform>Let go to bring “%1” and %n more, one after the other. You choose how before anything happens.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::HubPage</name>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>%n file</numerusform>
            <numerusform>%n files</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::ImportSection</name>
    <message numerus="yes">
        <source>%n model(s)</source>
        <translation>
            <numerusform>%n model</numerusform>
            <numerusform>%n models</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n unfinished download(s) of that program left out</source>
        <translation>
            <numerusform>%n unfinished download of that program left out</numerusform>
            <numerusform>%n unfinished downloads of that program left out</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n file(s)</source>
        <translation>
            <numerusform>%n file</numerusform>
            <numerusform>%n files</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n more wait(s) for its turn.</source>
        <translation>
            <numerusform>One more waits for its turn.</numerusform>
            <numerusform>%n more wait for their turn.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::LibrarySection</name>
    <message numerus="yes">
        <source>goes for good in %n day(s)</source>
        <translation>
            <numerusform>goes for good in %n day</numerusform>
            <numerusform>goes for good in %n days</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::ModelWords</name>
    <message numerus="yes">
        <source>%n second(s)</source>
        <translation>
            <numerusform>%n second</numerusform>
            <numerusform>%n seconds</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n minute(s)</source>
        <translation>
            <numerusform>%n minute</numerusform>
            <numerusform>%n minutes</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n day(s)</source>
        <translation>
            <numerusform>%n day</numerusform>
            <numerusform>%n days</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>used %n day(s) ago</source>
        <translation>
            <numerusform>used %n day ago</numerusform>
            <numerusform>used %n days ago</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>hearth::ui::SettingsPanel</name>
    <message numerus="yes">
        <source>After %n hour(s)</source>
        <translation>
            <numerusform>After %n hour</numerusform>
            <numerusform>After %n hours</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>After %n minute(s)</source>
        <translation>
            <numerusform>After %n minute</numerusform>
            <numerusform>After %n minutes</numerusform>
        </translation>
    </message>
</context>
</TS>
